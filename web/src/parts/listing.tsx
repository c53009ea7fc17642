/** A list that is asked for page by page. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type Problem, type Query, asProblem } from "../api.ts";
import { useAnswer } from "../load.ts";
import { useSession } from "../session.ts";
import type { Page } from "../types.ts";
import { Empty, Failed, Whole } from "./states.tsx";

const LIMIT = 50;

interface Props<T> {
  path: string;
  query: Query;
  /** What is said if there is nothing in it. */
  none: string;
  children: (items: T[]) => ComponentChildren;
}

export function Listing<T>({ path, query, none, children }: Props<T>) {
  const question = JSON.stringify([path, query]);
  const first = useAnswer<Page<T>>(question, (api, signal) => api.get(path, { ...query, limit: LIMIT }, signal));
  return (
    <Whole loaded={first}>
      {(page) =>
        page.items.length ? (
          <More key={question} {...{ path, query, page, children }} />
        ) : (
          <Empty>{none}</Empty>
        )
      }
    </Whole>
  );
}

function More<T>({ path, query, page, children }: Omit<Props<T>, "none"> & { page: Page<T> }) {
  const { api } = useSession();
  /** Once somebody reads on, the first page stays what it was: a newer one would leave a gap before the second. */
  const [read, setRead] = useState<Page<T> | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const { items, next_cursor: cursor } = read ?? page;

  const more = async () => {
    try {
      const { data } = await api.get<Page<T>>(path, { ...query, limit: LIMIT, cursor });
      setRead({ items: [...items, ...data.items], next_cursor: data.next_cursor });
      setProblem(null);
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  return (
    <>
      {children(items)}
      {problem && <Failed problem={problem} retry={() => void more()} />}
      {cursor && !problem && (
        <button type="button" onClick={() => void more()}>
          Show more
        </button>
      )}
    </>
  );
}
