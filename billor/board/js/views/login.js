// The login: a page at first, and a dialog over the board when the session has ended.

import { h } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { problemOf, unreachable } from "../api/client.js";
import { entry } from "../state/entry.js";
import { logIn, requestReset, resetPassword } from "../state/session.js";
import { useStore } from "../state/store.js";
import { button, submit } from "../ui/button.js";
import { Dialog, focusFirst } from "../ui/dialog.js";
import { Field, Refusal, useSending } from "../ui/form.js";
import { t } from "../ui/words.js";
import { NEW_PASSWORD } from "./password_dialog.js";

/** @type {FieldProps} */
const EMAIL = { name: "email", label: t("Email"), type: "email", autocomplete: "username" };
/** @type {FieldProps} */
const PASSWORD = {
  name: "password",
  label: t("Password"),
  type: "password",
  autocomplete: "current-password",
};

/** What is said first, by steps. */
const LEADS = {
  login: [
    t("Billor shows which loads wait, who is on the road, and who is free."),
    " ",
    t("Dispatchers give loads to drivers; drivers see their load, and say when it is delivered."),
  ],
  ask: t("You get a mail with a link that sets a new password."),
  asked: t(
    "If there is an account with this address, a mail with a link comes within a minute. The link is good for 30 minutes.",
  ),
  choose: t("Choose a new password."),
  chosen: t("Your new password is set. Log in with it."),
};

export function LoginPage() {
  const { step, token, email } = useStore(entry);
  const mayLogIn = step === "login" || step === "chosen";
  return h(
    "main",
    { class: "login-page" },
    h("h1", { class: "wordmark" }, "Billor"),
    h("p", { class: "lead", role: "status" }, LEADS[step]),
    mayLogIn && h(LoginForm, { user: null }),
    step === "ask" &&
      h(EntryForm, {
        fields: [{ ...EMAIL, value: email }],
        action: t("Mail me a link"),
        send: (fields) => requestReset(fields.email ?? ""),
        onDone: () => entry.set({ step: "asked" }),
      }),
    step === "choose" &&
      h(
        EntryForm,
        {
          fields: [{ ...NEW_PASSWORD, name: "password" }],
          username: email,
          action: t("Set password"),
          send: (fields) => resetPassword(token, fields.password ?? ""),
          onDone: () => entry.set({ step: "chosen", token: "" }),
        },
        button(t("Ask for another link"), () => entry.set({ step: "ask", token: "" }), "wide"),
      ),
    mayLogIn
      ? button(t("Forgot your password?"), askForLink, "wide")
      : button(t("Back to the login"), () => entry.set({ step: "login", token: "" }), "wide"),
  );
}

/** What was typed need not be typed again. */
function askForLink() {
  const field = document.querySelector("[name=email]");
  entry.set({ step: "ask", email: field instanceof HTMLInputElement ? field.value : "" });
}

/** @param {{user: User}} props */
export function LoginDialog({ user }) {
  return h(
    Dialog,
    { title: t("Log in again"), class: "narrow" },
    h("p", { class: "lead" }, t("Your session has ended. What you were doing is still here.")),
    h(LoginForm, { user }),
  );
}

/** @param {{user: User | null}} props the one whose session has ended */
function LoginForm({ user }) {
  // Only a development server says which one it is.
  const { email, password } = /** @type {HTMLElement} */ (document.getElementById("app")).dataset;
  const form = useRef(/** @type {HTMLDivElement | null} */ (null));
  const useDemo = () => {
    const demo = form.current?.querySelector("form");
    Object.assign(demo?.elements.namedItem("email") ?? {}, { value: email });
    Object.assign(demo?.elements.namedItem("password") ?? {}, { value: password });
    demo?.requestSubmit();
  };
  return h(
    "div",
    { ref: form },
    h(
      EntryForm,
      {
        fields: [
          { ...EMAIL, value: user?.email ?? entry.value.email },
          { ...PASSWORD, "data-autofocus": user !== null || entry.value.email !== "" },
        ],
        action: t("Log in"),
        busy: t("Logging in …"),
        send: (fields) => logIn(fields.email ?? "", fields.password ?? ""),
      },
      !user && email && button(t("Use the demo account"), useDemo, "wide"),
    ),
  );
}

/**
 * @param {object} props @param {FieldProps[]} props.fields
 * @param {string} props.action what the button says @param {string} [props.busy] meanwhile
 * @param {(fields: Record<string, string>) => Promise<Response>} props.send
 * @param {() => void} [props.onDone] @param {Children} [props.children]
 * @param {string} [props.username] for password managers, which else would not know whose it is
 */
function EntryForm({ fields, action, busy = action, send, onDone, username, children }) {
  const { isBusy, errors, problem, onSubmit } = useSending(async (typed) => {
    const response = await send(typed).catch(() => {
      throw unreachable();
    });
    if (!response.ok) throw await problemOf(response);
    onDone?.();
  });
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  useEffect(() => focusFirst(form.current), []);
  return h(
    "form",
    { ref: form, class: "form", onSubmit, noValidate: true },
    h(Refusal, { problem, fields: fields.map(({ name }) => name) }),
    username &&
      h("input", { hidden: true, readOnly: true, autocomplete: "username", value: username }),
    fields.map((field) =>
      h(Field, { key: field.name, required: true, error: errors[field.name], ...field }),
    ),
    submit(isBusy ? busy : action, { class: "button primary wide", "aria-disabled": isBusy }),
    children,
  );
}
