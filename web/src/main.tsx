/** The page begins here. */

import "uplot/dist/uPlot.min.css";
import "./style.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { beginTheme } from "./theme.ts";

beginTheme();
render(<App />, document.getElementById("page") as HTMLElement);
