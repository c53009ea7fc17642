/** Light or dark: what the system prefers, until somebody chooses. */

import { useEffect, useState } from "preact/hooks";

export type Theme = "light" | "dark";

const KEPT_AS = "aigestion.theme";
const darkness = matchMedia("(prefers-color-scheme: dark)");
const watchers = new Set<() => void>();

function themeNow(): Theme {
  const kept = localStorage.getItem(KEPT_AS);
  if (kept === "light" || kept === "dark") return kept;
  return darkness.matches ? "dark" : "light";
}

function show(): void {
  document.documentElement.dataset["theme"] = themeNow();
  for (const watcher of [...watchers]) watcher();
}

/** Before anything is drawn. */
export function beginTheme(): void {
  darkness.addEventListener("change", show);
  show();
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEPT_AS, theme);
  show();
}

export function useTheme(): Theme {
  const [theme, setTheme] = useState(themeNow);
  useEffect(() => {
    const watcher = () => setTheme(themeNow());
    watchers.add(watcher);
    return () => void watchers.delete(watcher);
  }, []);
  return theme;
}
