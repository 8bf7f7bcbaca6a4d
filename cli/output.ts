/**
 * How a command answers: a table for people or JSON for scripts, and errors in a sentence.
 * @module
 */
import type { Command } from "commander";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { printable } from "../runtime/log.ts";
import { exitCodeOf } from "./exit.ts";
import type { World } from "./world.ts";

export type Format = "table" | "json";

/** Options of every command. */
export interface GlobalOptions {
  readonly output: Format;
  readonly config?: string;
  readonly state?: string;
  readonly management?: string;
}

/** The options of a command, its own and the global ones. */
export function optionsOf<Own extends object = object>(command: Command): Own & GlobalOptions {
  return command.optsWithGlobals<Own & GlobalOptions>();
}

/** Prints a result in the format asked for. */
export function show(world: World, format: Format, result: unknown, table: () => string): void {
  world.out(format === "json" ? `${JSON.stringify(result, undefined, 2)}\n` : table());
}

/** Tells what went wrong: a sentence on standard error, and with `-o json` its parts as well. */
export function showError(world: World, format: Format, thrown: unknown): void {
  const code = thrown instanceof SystemError ? thrown.code : "FAILED";
  const message = reasonOf(thrown);
  world.err(`${paint(world, "31", "lifeboat:")} ${linesOf(message)} (${code})\n`);
  if (format === "json") {
    const detail = thrown instanceof SystemError ? thrown.detail : {};
    world.out(`${JSON.stringify({ error: { code, message, detail } }, undefined, 2)}\n`);
  }
  world.exitWith(exitCodeOf(thrown));
}

/** `text` in an ANSI colour, where colours are wanted. */
export function paint(world: World, colour: string, text: string): string {
  return world.colour ? `\u001b[${colour}m${text}\u001b[0m` : text;
}

/** Several mistakes of a file are several lines; nothing else may make one. */
function linesOf(message: string): string {
  return message.split("\n").map(printable).join("\n  ");
}
