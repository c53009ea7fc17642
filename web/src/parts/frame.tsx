/** What stands around every view: where one can go, who is signed in, how it looks. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Place, hrefTo } from "../address.ts";
import type { LiveState } from "../live.ts";
import { useSession } from "../session.ts";
import { chooseTheme, useTheme } from "../theme.ts";

interface Props {
  place: Place;
  title: string;
  views: { path: string; name: string }[];
  signOut: () => void;
  children: ComponentChildren;
}

const SAID: Record<LiveState, string> = {
  connecting: "Connecting…",
  live: "Live",
  waiting: "Connecting again…",
  polling: "Every 30 s",
};

export function Frame({ place, title, views, signOut, children }: Props) {
  const { caller } = useSession();
  const theme = useTheme();
  const heading = useRef<HTMLHeadingElement>(null);
  const path = place.path.join("/");
  const arrived = useRef(path);
  useEffect(() => {
    document.title = `${title} · AIGestion`;
    if (arrived.current === path) return; // only who has moved is taken to the new view's beginning
    arrived.current = path;
    heading.current?.focus();
    scrollTo(0, 0);
  }, [path, title]);
  const skip = (event: Event) => {
    event.preventDefault(); // the hash is the address of the view
    heading.current?.focus();
  };
  const other = theme === "dark" ? "light" : "dark";
  return (
    <>
      <a class="skip" href="#view" onClick={skip}>
        Skip to the figures
      </a>
      <header class="top">
        <strong>AIGestion</strong>
        <nav aria-label="Views">
          {views.map((one) => (
            <a
              key={one.path}
              href={hrefTo(place, [one.path])}
              aria-current={place.path[0] === one.path ? "page" : undefined}
            >
              {one.name}
            </a>
          ))}
        </nav>
        <div class="who">
          <LiveMark />
          <span title={`Key ${caller.key_id}: ${caller.scopes.join(", ")}`}>
            Tenant <strong class="tenant">{caller.tenant}</strong>
          </span>
          <button type="button" onClick={() => chooseTheme(other)} aria-label={`Show it ${other}`}>
            {theme === "dark" ? "☀" : "☾"}
          </button>
          <button type="button" onClick={signOut}>
            Sign out
          </button>
        </div>
      </header>
      <main id="view">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {children}
      </main>
    </>
  );
}

function LiveMark() {
  const { live } = useSession();
  const [state, setState] = useState(live.state);
  useEffect(() => {
    setState(live.state);
    return live.onState(setState) as () => void;
  }, [live]);
  const why = state === "polling" ? "The key lacks the scope events, so that figures are only looked up now and then" : undefined;
  return (
    <span class={`live ${state}`} role="status" title={why}>
      <span aria-hidden="true">●</span> {SAID[state]}
    </span>
  );
}
