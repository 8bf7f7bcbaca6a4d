/**
 * Where a service processor is, as configuration files say it.
 * @module
 */
import { isAbsolute } from "node:path";
import { z } from "zod";

const path = z.string().max(4_096).refine(isAbsolute, "must be an absolute path");

/** Where a service processor is, who asks it, and by what it is known. */
export const redfishConfig = z.strictObject({
  url: z.string().max(1_024),
  username: z.string().min(1).max(256),
  /** A file of this user's own whose first line is the password. */
  passwordFile: path,
  /** SHA-256 of its certificate, for one that signed itself. */
  fingerprint: z
    .string()
    .transform((text) => text.replaceAll(":", "").toLowerCase())
    .pipe(z.string().regex(/^[0-9a-f]{64}$/, "is no SHA-256 in hexadecimal digits"))
    .optional(),
  /** A file of authorities in PEM. */
  authority: path.optional(),
});
export type RedfishConfig = z.infer<typeof redfishConfig>;
