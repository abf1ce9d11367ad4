// Guards an action over HTTP: ask, act, tell. Stands alone; needs nothing but fetch.
//   ANDON_URL=http://127.0.0.1:8470 ANDON_TOKEN=andon_... node --experimental-strip-types guard.ts
declare const process: { env: Record<string, string | undefined>; exitCode?: number };

const url = process.env.ANDON_URL ?? "http://127.0.0.1:8470";
const token = process.env.ANDON_TOKEN ?? "";

type Action = {
  workflow: string;
  automation: string;
  capability: "send" | "update" | "trigger" | "transact" | "navigate" | "loop";
  action: string;
  target?: string;
  value?: number;
  currency?: string;
  recipients?: number;
};
type Permit = { allow: boolean; permit: string | null; reason: string | null };

export class Refused extends Error {}

async function post<T>(path: string, body: unknown): Promise<T> {
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(`${answer.status}: ${told.detail}`);
  return told as T;
}

/** Run `act` if Andon allows it, and tell how it ended. */
export async function guarded<T>(action: Action, act: () => Promise<T>): Promise<T> {
  const permit = await post<Permit>("/v1/permits", action);
  if (!permit.allow) throw new Refused(permit.reason ?? "refused");
  const tell = (outcome: "success" | "error", reason?: string) =>
    post("/v1/events", {
      ...action,
      event_id: permit.permit,
      ts: new Date().toISOString(),
      outcome,
      reason,
    });
  let result: T;
  try {
    result = await act();
  } catch (error) {
    await tell("error", String(error).slice(0, 500));
    throw error;
  }
  await tell("success");
  return result;
}

const refund: Action = {
  workflow: process.env.ANDON_WORKFLOW ?? "refunds",
  automation: "refund-bot",
  capability: "transact",
  action: "refund.create",
  target: "ch_8821",
  value: 42.5,
  currency: "USD",
};

try {
  console.log(await guarded(refund, async () => "refunded ch_8821"));
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.log(`refused: ${error.message}`);
  process.exitCode = 1;
}
