/** The committed drive model: `npm run train` makes it, docs/models/drive.md tells of it. */
import coefficients from "../models/drives.json" with { type: "json" };
import { compileDriveModel } from "./model.ts";

export const DRIVE_MODEL = compileDriveModel(coefficients);
