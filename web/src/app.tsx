/** Who is signed in, and which view the address names. */

import { useEffect, useRef, useState } from "preact/hooks";
import { type Place, hrefTo, usePlace } from "./address.ts";
import { asProblem } from "./api.ts";
import { Frame } from "./parts/frame.tsx";
import { Empty } from "./parts/states.tsx";
import { type Session, SessionProvider, forgetKey, keptKey, opened } from "./session.ts";
import { Behind } from "./views/behind.tsx";
import { REPORT_VIEWS } from "./views/catalog.ts";
import { ConversationPage } from "./views/conversation.tsx";
import { Projections } from "./views/projections.tsx";
import { Reports } from "./views/reports.tsx";
import { RunPage } from "./views/run.tsx";
import { SignIn } from "./views/sign_in.tsx";

const VIEWS = [...REPORT_VIEWS, { path: "projections", name: "Projections" }];
const REFUSED = "This key opens nothing (any more). Sign in again.";

export function App() {
  const place = usePlace();
  const [session, setSession] = useState<Session | null>(null);
  const [notice, setNotice] = useState("");
  const [busy, setBusy] = useState(keptKey() !== null);
  const open = useRef<Session | null>(null);

  const leave = (why: string) => {
    open.current?.live.close();
    open.current = null;
    forgetKey();
    setSession(null);
    setNotice(why);
  };
  const enter = async (key: string) => {
    setBusy(true);
    setNotice("");
    try {
      open.current = await opened(key, () => leave(REFUSED));
      setSession(open.current);
    } catch (error) {
      const problem = asProblem(error);
      if (problem.status === 401) forgetKey();
      setNotice(problem.message);
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    const kept = keptKey();
    if (kept) void enter(kept);
  }, []);

  if (!session) return <SignIn notice={notice} busy={busy} enter={(key) => void enter(key)} />;
  const { title, body } = viewOf(place);
  return (
    <SessionProvider value={session}>
      <Frame place={place} title={title} views={VIEWS} signOut={() => leave("")}>
        {body}
      </Frame>
    </SessionProvider>
  );
}

function viewOf(place: Place) {
  const [name = "", id] = place.path;
  const reports = REPORT_VIEWS.find((one) => one.path === name);
  if (reports) return { title: reports.name, body: <Reports key={name} view={reports} place={place} /> };
  if (name === "projections") return { title: "Projections", body: <Projections /> };
  if (name === "behind") return { title: "What is behind it", body: <Behind place={place} /> };
  if (name === "runs" && id) return { title: "Run", body: <RunPage place={place} id={id} /> };
  if (name === "conversations" && id) {
    return { title: "Conversation", body: <ConversationPage place={place} id={id} /> };
  }
  const first = <a href={hrefTo(place, ["overview"])}>the overview</a>;
  return { title: "Nothing here", body: <Empty>There is no such view. Go to {first}.</Empty> };
}
