// The other ends of a program's links, driven by a test.
import type { Principal } from "../../../protocol/ids.ts";
import type { Message, MessageType } from "../../../protocol/message.ts";
import { dialLink } from "../../../runtime/link-client.ts";
import { listenLinks } from "../../../runtime/link-server.ts";
import { ports, SECRET, until } from "./ports.ts";

type Of<Type extends MessageType> = Extract<Message, { type: Type }>;

export interface End {
  /** Everything that came, the newest last. */
  readonly received: Message[];
  up(): boolean;
  /** How often it was linked, the first time included. */
  links(): number;
  send(message: Message): boolean;
  /** The first message of a type that came and was not taken yet; waits for it. */
  take<Type extends MessageType>(type: Type): Promise<Of<Type>>;
  count(type: MessageType): number;
  close(): Promise<void>;
}

function inbox(): Pick<End, "received" | "take" | "count"> {
  const received: Message[] = [];
  const taken = new Set<Message>();
  return {
    received,
    count: (type) => received.filter((message) => message.type === type).length,
    async take<Type extends MessageType>(type: Type): Promise<Of<Type>> {
      const fresh = (message: Message): message is Of<Type> =>
        message.type === type && !taken.has(message);
      await until(() => received.some(fresh), `a ${type}`);
      const found = received.find(fresh)!;
      taken.add(found);
      return found;
    },
  };
}

/** A client of a listening program; links again when its link is lost. */
export async function dialEnd(self: Principal, peer: Principal, port: number): Promise<End> {
  const box = inbox();
  let isUp = false;
  let links = 0;
  const client = dialLink({
    ...ports,
    self,
    peer,
    url: `ws://127.0.0.1:${port}`,
    secret: SECRET,
    onUp() {
      isUp = true;
      links++;
    },
    onMessage: (message) => void box.received.push(message),
    onDown() {
      isUp = false;
    },
    reconnectMsMin: 5,
    reconnectMsMax: 20,
  });
  await until(() => isUp, `the link of ${self}`);
  return {
    ...box,
    up: () => isUp,
    links: () => links,
    send: (message) => client.send(message),
    async close() {
      client.close();
    },
  };
}

/** A listening program that `who` dials. */
export async function listenEnd(
  self: Principal,
  who: Principal,
  port = 0,
): Promise<End & { readonly port: number }> {
  const box = inbox();
  let links = 0;
  const server = await listenLinks({
    ...ports,
    self,
    host: "127.0.0.1",
    port,
    insecureNetwork: false,
    secretOf: () => SECRET,
    accepts: ["management", "agent"],
    onLink: () => void links++,
    onMessage: (_link, message) => void box.received.push(message),
    onDown() {},
  });
  return {
    ...box,
    port: server.port,
    up: () => server.linkTo(who) !== undefined,
    links: () => links,
    send: (message) => server.linkTo(who)?.send(message) ?? false,
    close: () => server.close(),
  };
}
