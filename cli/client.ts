/**
 * Asks the management server, as principal `operator`, each question with a deadline.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { managementFile } from "../management/config.ts";
import { type ErrorCode, SystemError } from "../protocol/error.ts";
import type { OperationId } from "../protocol/ids.ts";
import type { Message } from "../protocol/message.ts";
import type { Ask, Event } from "../protocol/operator.ts";
import { formatAddress, parseAddress } from "../runtime/address.ts";
import { dialLink, type LinkClient } from "../runtime/link-client.ts";
import { silentLog } from "../runtime/log.ts";
import { readSecret } from "../runtime/secrets.ts";
import { defaultState, foldersOf, readConfig, type SiteFolders } from "../runtime/site.ts";
import { EXIT, exitCodeOf } from "./exit.ts";
import type { GlobalOptions } from "./output.ts";
import type { World } from "./world.ts";

/** The management server answers its own questions at once, others within its own deadlines. */
const ANSWER_MS = 20_000;
const CONNECT_MS = 5_000;

export interface Client {
  /** @throws SystemError with the server's code; UNREACHABLE, LINK_CLOSED or TIMED_OUT. */
  ask<Result>(ask: Ask, timeoutMs?: number): Promise<Result>;
  /**
   * Every event after `after`, in order: a link that is lost is taken up again. Ends only with an
   * error, when the server refuses.
   */
  follow(after: number, onEvent: (event: Event) => void): Promise<never>;
  close(): void;
}

export interface Site {
  readonly folders: SiteFolders;
  /** `host:port` of the management server. */
  readonly address: string;
  /** Which option, variable or file said so, for people. */
  readonly origin: string;
}

/** Where this command looks for the management server and its own secret. */
export function findSite(world: World, options: GlobalOptions): Site {
  const file = readConfig(options.config, managementFile);
  const state = options.state ?? file.state ?? defaultState(world.site);
  const folders = foldersOf(state, file.secrets);
  const found = (address: string, origin: string): Site => ({ folders, address, origin });
  if (options.management !== undefined) return found(options.management, "--management");
  const variable = world.env["LIFEBOAT_MANAGEMENT"];
  if (variable !== undefined && variable !== "") return found(variable, "LIFEBOAT_MANAGEMENT");
  if (existsSync(folders.managementAddress)) {
    const address = readFileSync(folders.managementAddress, "utf8").trim();
    return found(address, folders.managementAddress);
  }
  return found(file.management.listen, options.config ?? "the default");
}

/** Links to the management server. @throws SystemError UNREACHABLE, AUTHENTICATION_FAILED */
export function connect(world: World, options: GlobalOptions): Promise<Client> {
  const site = findSite(world, options);
  const url = `ws://${formatAddress(parseAddress(site.address))}`;
  const secret = readSecret(site.folders.secrets, "operator");
  if (secret === undefined) {
    throw unreachable(site, `there is no operator's secret in ${site.folders.secrets}`);
  }
  return new Promise((resolve, reject) => {
    const session = new Session(world);
    let settled = false;
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      late.cancel();
      act();
    };
    const give = (error: SystemError): void =>
      settle(() => {
        session.close();
        reject(error);
      });
    const late = world.clock.after(CONNECT_MS, () => give(unreachable(site, "no answer")));
    session.link = dialLink({
      self: "operator",
      peer: "management",
      url,
      secret,
      clock: world.clock,
      random: world.random,
      log: silentLog,
      onUp: () => {
        settle(() => resolve(session));
        session.up();
      },
      onMessage: (message) => session.take(message),
      onDown: (reason) => session.down(reason),
      onFailed: (error) => give(unreachable(site, error.message, error.code)),
      reconnectMsMax: 1_000,
    });
  });
}

/** Runs `task` with a link, and ends the link whatever becomes of it. */
export async function withClient<Result>(
  world: World,
  options: GlobalOptions,
  task: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = await connect(world, options);
  try {
    return await task(client);
  } finally {
    client.close();
  }
}

function unreachable(site: Site, why: string, code: ErrorCode = "UNREACHABLE"): SystemError {
  const { address, origin, folders } = site;
  const known = code === "AUTHENTICATION_FAILED" ? code : "UNREACHABLE";
  return new SystemError(
    known,
    `Cannot reach the management server at ${address} (from ${origin}): ${why}. Start one with ` +
      "`lifeboat control`, or say where it is with --management and --state",
    { detail: { address, origin, state: folders.state } },
  );
}

interface Asked {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: SystemError) => void;
}

interface Following {
  after: number;
  readonly onEvent: (event: Event) => void;
  readonly reject: (error: unknown) => void;
}

class Session implements Client {
  link: LinkClient | undefined;
  private readonly world: World;
  private readonly asked = new Map<OperationId, Asked>();
  private following: Following | undefined;

  constructor(world: World) {
    this.world = world;
  }

  ask<Result>(ask: Ask, timeoutMs = ANSWER_MS): Promise<Result> {
    const { clock, random } = this.world;
    const operationId = random.uuid() as OperationId;
    return new Promise<Result>((resolve, reject) => {
      const timer = clock.after(timeoutMs, () => {
        this.asked.delete(operationId);
        reject(new SystemError("TIMED_OUT", `No answer within ${timeoutMs / 1_000} s`));
      });
      const settle = (act: () => void): void => {
        timer.cancel();
        this.asked.delete(operationId);
        act();
      };
      this.asked.set(operationId, {
        resolve: (result) => settle(() => resolve(result as Result)),
        reject: (error) => settle(() => reject(error)),
      });
      if (this.link?.send({ type: "request", operationId, ask }) === true) return;
      const error = new SystemError("UNREACHABLE", "The management server is away");
      settle(() => reject(error));
    });
  }

  follow(after: number, onEvent: (event: Event) => void): Promise<never> {
    return new Promise<never>((_resolve, reject) => {
      this.following = { after, onEvent, reject };
      this.up();
    });
  }

  close(): void {
    this.link?.close();
  }

  up(): void {
    if (this.following === undefined) return;
    const { after, reject } = this.following;
    this.ask({ method: "events", after, follow: true }).catch((error: SystemError) => {
      // A link lost meanwhile comes up again, and with it this question.
      if (exitCodeOf(error) !== EXIT.unreachable) reject(error);
    });
  }

  down(reason: string): void {
    const error = new SystemError("LINK_CLOSED", `The management server went away: ${reason}`);
    for (const one of [...this.asked.values()]) one.reject(error);
  }

  take(message: Message): void {
    if (message.type === "event") {
      if (this.following === undefined || message.id <= this.following.after) return;
      this.following.after = message.id;
      this.following.onEvent(message);
    }
    if (message.type !== "response") return;
    const { operationId, ok, code, reason = "Refused", result } = message;
    const asked = this.asked.get(operationId);
    if (ok) asked?.resolve(result);
    else asked?.reject(new SystemError((code ?? "STATE_CONFLICT") as ErrorCode, reason));
  }
}
