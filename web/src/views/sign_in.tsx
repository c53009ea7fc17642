/** The door: asks for a key. */

import { useState } from "preact/hooks";

interface Props {
  /** Why the page asks (again). */
  notice: string;
  busy: boolean;
  enter: (key: string) => void;
}

export function SignIn({ notice, busy, enter }: Props) {
  const [key, setKey] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (key.trim()) enter(key.trim());
  };
  return (
    <main class="door">
      <h1>AIGestion</h1>
      <p class="quiet">What agents heard, found, asked, spent and answered.</p>
      <form class="card" onSubmit={submit}>
        <label for="key">API key</label>
        <input
          id="key"
          type="password"
          autocomplete="off"
          spellcheck={false}
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
          aria-describedby="key-is"
        />
        <p id="key-is" class="quiet">
          A key with the scope <code>read</code>; with <code>events</code> too, figures follow what happens. It stays in
          this tab and is forgotten when you close it or sign out.
        </p>
        <button type="submit" class="main" disabled={busy}>
          {busy ? "Looking…" : "Sign in"}
        </button>
        <p class="fault" role="alert">
          {notice}
        </p>
      </form>
    </main>
  );
}
