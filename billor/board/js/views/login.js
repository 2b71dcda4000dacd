// The login: a page at first, and a dialog over the board when the session has ended.

import { h } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { problemOf, unreachable } from "../api/client.js";
import { logIn } from "../state/session.js";
import { button, submit } from "../ui/button.js";
import { Dialog, focusFirst } from "../ui/dialog.js";
import { Field, Refusal, useSending } from "../ui/form.js";
import { t } from "../ui/words.js";

export function LoginPage() {
  return h(
    "main",
    { class: "login-page" },
    h("h1", { class: "wordmark" }, "Billor"),
    h(
      "p",
      { class: "lead" },
      t("Billor shows which loads wait, who is on the road, and who is free."),
      " ",
      t("Dispatchers give loads to drivers; drivers see their load, and say when it is delivered."),
    ),
    h(LoginForm, { user: null }),
  );
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
  const { isBusy, errors, problem, onSubmit } = useSending(async (fields) => {
    const response = await logIn(fields.email ?? "", fields.password ?? "").catch(() => {
      throw unreachable();
    });
    if (!response.ok) throw await problemOf(response);
  });
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  useEffect(() => focusFirst(form.current), []);
  // Only a development server says which one it is.
  const { email, password } = /** @type {HTMLElement} */ (document.getElementById("app")).dataset;
  const useDemo = () => {
    Object.assign(form.current?.elements.namedItem("email") ?? {}, { value: email });
    Object.assign(form.current?.elements.namedItem("password") ?? {}, { value: password });
    form.current?.requestSubmit();
  };
  return h(
    "form",
    { ref: form, class: "form", onSubmit, noValidate: true },
    h(Refusal, { problem, fields: ["email", "password"] }),
    fieldsFor(user).map((field) =>
      h(Field, { key: field.name, required: true, error: errors[field.name], ...field }),
    ),
    submit(isBusy ? t("Logging in …") : t("Log in"), {
      class: "button primary wide",
      "aria-disabled": isBusy,
    }),
    !user && email && button(t("Use the demo account"), useDemo, "wide"),
  );
}

/** @param {User | null} user */
const fieldsFor = (user) => [
  {
    name: "email",
    label: t("Email"),
    type: "email",
    value: user?.email,
    autocomplete: "username",
  },
  {
    name: "password",
    label: t("Password"),
    type: "password",
    autocomplete: "current-password",
    "data-autofocus": user !== null,
  },
];
