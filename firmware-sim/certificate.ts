/**
 * What a simulated service processor shows of itself: a key and a certificate of its own, given by
 * the configuration or made once with openssl.
 * @module
 */
import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { reasonOf, SystemError } from "../protocol/error.ts";
import type { RunCommand } from "../runtime/command.ts";

export interface Identity {
  /** Both in PEM. */
  readonly key: string;
  readonly certificate: string;
  /** SHA-256 of the certificate, in hexadecimal digits. */
  readonly fingerprint: string;
}

interface Files {
  readonly key: string;
  readonly certificate: string;
}

const DAYS = "3650";

/** @throws SystemError CONFIG_INVALID, COMMAND_NOT_FOUND or COMMAND_FAILED without openssl */
export async function identityOf(
  given: Files | undefined,
  folder: string,
  run: RunCommand,
): Promise<Identity> {
  const kept = { key: join(folder, "redfish.key"), certificate: join(folder, "redfish.crt") };
  const files = given ?? kept;
  if (given === undefined && !existsSync(kept.certificate)) await make(kept, run);
  try {
    const key = readFileSync(files.key, "utf8");
    const certificate = readFileSync(files.certificate, "utf8");
    const { fingerprint256 } = new X509Certificate(certificate);
    return { key, certificate, fingerprint: fingerprint256.replaceAll(":", "").toLowerCase() };
  } catch (cause) {
    const message = `Cannot use ${files.certificate} with ${files.key}: ${reasonOf(cause)}`;
    throw new SystemError("CONFIG_INVALID", message, { cause });
  }
}

/** openssl makes the key for its user alone. */
async function make({ key, certificate }: Files, run: RunCommand): Promise<void> {
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const who = ["-subj", "/CN=service-processor", "-addext", "subjectAltName=IP:127.0.0.1"];
  const where = ["-days", DAYS, "-keyout", key, "-out", certificate];
  const { code, stderr } = await run("openssl", ["req", "-x509", ...kind, ...who, ...where]);
  if (code === 0) return;
  throw new SystemError("COMMAND_FAILED", `openssl ended with ${code}: ${stderr.slice(-300)}`);
}
