/**
 * The QEMU Machine Protocol, without I/O: bytes in, messages out; commands in, text out.
 * The caller owns the socket, so a transcript is a complete test.
 *
 * Messages are found by counting braces, not lines: two objects may come without a newline
 * between them. After an error the session is broken and says the same error again.
 */
import * as z from "zod";
import { reasonOf, SystemError } from "../../protocol/error.ts";

export type Incoming = Readonly<
  | { type: "greeting"; version: string }
  | { type: "return"; id: number | undefined; value: unknown }
  /** QEMU answers text that it cannot parse without an id. */
  | { type: "error"; id: number | undefined; error: SystemError }
  | { type: "event"; name: string; body: unknown }
>;

export type Outgoing = Readonly<{ id: number; text: string }>;
export type Arguments = Readonly<Record<string, unknown>>;

/** The longest reply known, of query-qmp-schema, is under 1 MiB; more is not QEMU talking. */
export const MESSAGE_CHARS_MAX = 4 * 1024 * 1024;

const version = z.object({ major: z.int(), minor: z.int(), micro: z.int() });
const id = z.int().optional();
const greeting = z.object({ QMP: z.object({ version: z.object({ qemu: version }) }) });
const event = z.object({ event: z.string().max(128), data: z.unknown().optional() });
const failure = z.object({ error: z.object({ class: z.string(), desc: z.string() }), id });
const success = z.object({ return: z.unknown(), id });

export class QmpSession {
  private readonly decoder = new TextDecoder("utf-8", { fatal: true });
  /** The message that has begun and not ended. */
  private parts: string[] = [];
  private partChars = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;
  private idLast = 0;
  private broken: SystemError | undefined;

  /** The text that asks for `command`, and the id that its reply will carry. */
  execute(command: string, args: Arguments = {}): Outgoing {
    const next = ++this.idLast;
    return {
      id: next,
      text: `${JSON.stringify({ execute: command, arguments: args, id: next })}\n`,
    };
  }

  /**
   * Takes what the socket gave, split anywhere, and returns the messages that became whole.
   * @throws SystemError QMP_INVALID
   */
  receive(bytes: Uint8Array): Incoming[] {
    if (this.broken !== undefined) throw this.broken;
    try {
      return this.split(this.decoder.decode(bytes, { stream: true })).map(parseMessage);
    } catch (cause) {
      this.broken =
        cause instanceof SystemError
          ? cause
          : new SystemError("QMP_INVALID", `Cannot read QMP: ${reasonOf(cause)}`, { cause });
      throw this.broken;
    }
  }

  /** The texts of the objects that end in `text`. */
  private split(text: string): string[] {
    const whole: string[] = [];
    let begin = 0;
    for (let index = 0; index < text.length; index++) {
      const before = this.depth;
      this.take(text[index] as string);
      if (before === 0 && this.depth === 1) begin = index;
      if (before === 1 && this.depth === 0) {
        this.keep(text.slice(begin, index + 1));
        whole.push(this.parts.join(""));
        this.parts = [];
        this.partChars = 0;
      }
    }
    if (this.depth > 0) this.keep(text.slice(begin));
    return whole;
  }

  private take(char: string): void {
    if (this.inString) {
      if (this.escaped) this.escaped = false;
      else if (char === "\\") this.escaped = true;
      else if (char === '"') this.inString = false;
    } else if (char === "{") {
      this.depth++;
    } else if (this.depth === 0) {
      if (!/\s/.test(char)) throw invalid("text outside an object");
    } else if (char === "}") {
      this.depth--;
    } else if (char === '"') {
      this.inString = true;
    }
  }

  private keep(part: string): void {
    this.partChars += part.length;
    if (this.partChars > MESSAGE_CHARS_MAX) throw invalid(`over ${MESSAGE_CHARS_MAX} characters`);
    this.parts.push(part);
  }
}

function parseMessage(text: string): Incoming {
  const json: unknown = JSON.parse(text);
  const has = (key: string): boolean => Object.hasOwn(json as object, key);
  if (has("QMP")) {
    const { major, minor, micro } = greeting.parse(json).QMP.version.qemu;
    return { type: "greeting", version: `${major}.${minor}.${micro}` };
  }
  if (has("event")) {
    const { event: name, data: body } = event.parse(json);
    return { type: "event", name, body };
  }
  if (has("error")) {
    const { error, id: of } = failure.parse(json);
    const detail = { class: error.class };
    return { type: "error", id: of, error: new SystemError("QMP_REFUSED", error.desc, { detail }) };
  }
  if (has("return")) {
    const reply = success.parse(json);
    return { type: "return", id: reply.id, value: reply.return };
  }
  throw invalid("an object of no known kind");
}

function invalid(reason: string): SystemError {
  return new SystemError("QMP_INVALID", `Cannot read QMP: ${reason}`);
}
