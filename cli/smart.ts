/**
 * `lifeboat smart read`: what smartctl's documents say, in one form for every kind of drive.
 * @module
 */
import { readFile, stat } from "node:fs/promises";
import type { Command } from "commander";
import {
  parseSmartDocument,
  SMART_CHARACTERS_MAX,
  type SmartDocument,
} from "../agent/sensors/smartctl.ts";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { EXIT } from "./exit.ts";
import { optionsOf, show } from "./output.ts";
import { bytesText, type Cell, renderTable } from "./table.ts";
import type { World } from "./world.ts";

const HELP = `
FILE holds one document of smartctl: what \`smartctl --json -x\` or \`smartctl -x\` prints.
A file that cannot be read gets a row of its own, and the exit status is 1.

Examples:
  smartctl --json -x /dev/sda > sda.json && lifeboat smart read sda.json
  lifeboat smart read *.json -o json | jq '.[] | select(.health == "failed") | .serial'`;

export function addSmartCommands(program: Command, world: World): void {
  program
    .command("smart")
    .description("read documents of smartctl")
    .command("read")
    .description("show what documents of smartctl say, in one form for ATA, NVMe and SCSI")
    .argument("<file...>", "documents, JSON or text")
    .addHelpText("after", HELP)
    .action(async (files: string[], _options, command: Command) => {
      const documents: FileReading[] = [];
      for (const file of files) documents.push(await readDocument(file));
      show(world, optionsOf(command).output, documents, () => table(documents));
      if (documents.some((document) => "error" in document)) world.exitWith(EXIT.failed);
    });
}

interface FileError {
  readonly file: string;
  readonly error: { readonly code: string; readonly message: string };
}
type FileReading = FileError | ({ readonly file: string } & SmartDocument);

async function readDocument(file: string): Promise<FileReading> {
  try {
    return { file, ...parseSmartDocument(await readText(file)) };
  } catch (thrown) {
    const code = thrown instanceof SystemError ? thrown.code : "FILE_FAILED";
    return { file, error: { code, message: reasonOf(thrown) } };
  }
}

/** @throws SystemError FILE_FAILED */
async function readText(file: string): Promise<string> {
  const found = await stat(file).catch((cause: unknown) => {
    throw new SystemError("FILE_FAILED", `Cannot read ${file}: ${reasonOf(cause)}`, { cause });
  });
  if (found.isDirectory()) {
    const hint = `give its files, as ${file.replace(/\/$/, "")}/*`;
    throw new SystemError("FILE_FAILED", `Cannot read ${file}: it is a directory; ${hint}`);
  }
  if (found.size > 4 * SMART_CHARACTERS_MAX) {
    throw new SystemError("FILE_FAILED", `Cannot read ${file}: it has ${found.size} bytes`);
  }
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new SystemError("FILE_FAILED", `Cannot read ${file}: ${reasonOf(cause)}`, { cause });
  }
}

const HEADINGS = ["file", "model", "serial", "size", "health", "hours", "°C", "notes"];

function table(documents: readonly FileReading[]): string {
  return renderTable(
    HEADINGS,
    documents.map((document): Cell[] => {
      const name = document.file.slice(document.file.lastIndexOf("/") + 1);
      if ("error" in document) {
        return [
          name,
          undefined,
          undefined,
          undefined,
          "error",
          undefined,
          undefined,
          document.error.message,
        ];
      }
      const { model, serial, capacity_bytes, health, power_on_hours, temperature_c } = document;
      return [
        name,
        model ?? undefined,
        serial ?? undefined,
        capacity_bytes === null ? undefined : bytesText(capacity_bytes),
        health,
        power_on_hours ?? undefined,
        temperature_c ?? undefined,
        notesOf(document).join("; "),
      ];
    }),
  );
}

/** What is not as it should be. */
function notesOf({ readable, messages, ata, nvme, scsi }: SmartDocument): readonly string[] {
  const counts: readonly (readonly [name: string, value: string | number | null | undefined])[] = [
    ["reallocated", ata?.reallocated],
    ["pending", ata?.pending],
    ["uncorrectable", ata?.offline_uncorrectable],
    ["media errors", nvme?.media_errors],
    ["grown defects", scsi?.grown_defects],
  ];
  const warning = nvme?.critical_warning ?? 0;
  return [
    ...(readable ? [] : [messages[0]?.string ?? "the drive did not answer"]),
    ...(warning === 0 ? [] : [`critical warning 0x${warning.toString(16)}`]),
    ...(ata?.failing_now ?? []).map((id) => `attribute ${id} failing now`),
    ...counts.flatMap(([name, value]) =>
      value === undefined || value === null || `${value}` === "0" ? [] : [`${name} ${value}`],
    ),
  ];
}
