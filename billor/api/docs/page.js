const KEY = "authorized";

// Shows the page's hint below the title.
const HintPlugin = () => ({
  wrapComponents: {
    InfoContainer: (InfoContainer, { React }) => (props) =>
      React.createElement(
        React.Fragment,
        null,
        React.createElement(InfoContainer, props),
        React.createElement("div", {
          className: "hint",
          dangerouslySetInnerHTML: { __html: document.getElementById("hint").innerHTML },
        }),
      ),
  },
});

// Keeps tokens until the tab is closed. Swagger UI itself would keep them in localStorage, for ever.
const SessionPlugin = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        persistAuthorizationIfNeeded: (_original, system) => () => {
          sessionStorage.setItem(KEY, JSON.stringify(system.authSelectors.authorized()));
        },
      },
    },
  },
});

function restoreAuthorization() {
  const authorized = sessionStorage.getItem(KEY);
  if (authorized !== null) ui.authActions.restoreAuthorization({ authorized: JSON.parse(authorized) });
}

// A login or refresh here authorizes all other operations, as if its token had been pasted under Authorize.
function authorizeAfterLogin(response) {
  if (response.ok && /\/auth\/(login|refresh)$/.test(response.url)) {
    ui.preauthorizeApiKey("bearer", response.body.access_token);
    ui.authActions.persistAuthorizationIfNeeded();
  }
  return response;
}

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  plugins: [HintPlugin, SessionPlugin],
  onComplete: restoreAuthorization,
  responseInterceptor: authorizeAfterLogin,
  tryItOutEnabled: true,
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
});
