/**
 * The health of an optical line, online: a judgement after each reading from this and earlier
 * ones, without training.
 *
 * Two kinds of evidence raise the alarm:
 * - dark: an input power at the floor of its meter, or a receiver that has lost the signal
 *   (OSNR 0). A hardware limit: it needs no baseline.
 * - departed: a power or an OSNR that fell, or a bit error rate that rose, far outside what the
 *   same series did in its own last minutes, and by more than an operator would shrug at.
 *
 * The baseline is a median and its absolute deviation, so that a line whose attenuation swings
 * widely by itself comes to be judged by that swing, while faults up to half of the time stay
 * faults. An error rate that rises only as the power allows is thus not counted twice: every
 * series has its own baseline, and the line has one alarm.
 *
 *   clear --dark or departed--> alarm --every series within half a threshold for `holdMs`--> clear
 *
 * Readings of one line come from several points of it; their last judgements count together.
 * @module
 */
import { Baseline } from "./baseline.ts";

export type OpticalQuantity = "ber" | "osnr" | "input-power" | "output-power";

export interface OpticalReading {
  readonly atMs: number;
  /** The point of the line that was read: a transponder or an amplifier. */
  readonly point: string;
  /** Bit error rate as a share, OSNR in dB, powers in dBm. NaN or absent: not read. */
  readonly values: Readonly<Partial<Record<OpticalQuantity, number>>>;
}

export interface OpticalConfig {
  /** How far back a baseline looks. */
  readonly windowMs: number;
  /** No departure is believed before a baseline spans so much. */
  readonly warmUpMs: number;
  /** How long all must be well before the alarm ends. */
  readonly holdMs: number;
  /** Departures are measured in standard deviations; so many are an alarm. */
  readonly sigmas: number;
  /** Below this an input power is dark, in dBm. */
  readonly darkDbm: number;
}

/**
 * Module diagnostics count power in 0.1 microwatt (SFF-8472), -40 dBm: at -37 dBm no more than two
 * counts are left. The window adapts to a line's new habits within half of it.
 */
export const DEFAULT_OPTICAL: OpticalConfig = {
  windowMs: 15 * 60_000,
  warmUpMs: 5 * 60_000,
  holdMs: 10_000,
  sigmas: 5,
  darkDbm: -37,
};

export interface OpticalVerdict {
  /** How far the worst series of the line is, in its alarm thresholds: 1 is the threshold. */
  readonly score: number;
  readonly alarm: boolean;
}

/** Way to look, and the least departure that matters: in dB, for the error rate in decades. */
const QUANTITIES = {
  ber: { worse: 1, least: 1, agreeing: 1 },
  // Receivers estimate it from the signal, and now and then one estimate is far off.
  osnr: { worse: -1, least: 3, agreeing: 2 },
  "input-power": { worse: -1, least: 3, agreeing: 1 },
  "output-power": { worse: -1, least: 3, agreeing: 1 },
} as const;

/** No meter of a line reads beyond these; a reading that does is a slip of the read. */
const POWER_DBM_MIN = -60;
const POWER_DBM_MAX = 40;
const WARM_UP_SAMPLES = 30;
const SCORE_DARK = 10;
const POINTS_MAX = 1_000;

interface Series {
  readonly baseline: Baseline;
  /** How many readings in a row were departed. */
  departed: number;
  score: number;
}

/** One line and all that is known of it. */
export class OpticalLine {
  private readonly config: OpticalConfig;
  private readonly series = new Map<string, Series>();
  private alarm = false;
  private uneasyAtMs = Number.NEGATIVE_INFINITY;

  constructor(config: OpticalConfig = DEFAULT_OPTICAL) {
    this.config = config;
  }

  observe(reading: OpticalReading): OpticalVerdict {
    for (const quantity of Object.keys(QUANTITIES) as OpticalQuantity[]) {
      const value = reading.values[quantity];
      if (value === undefined || Number.isNaN(value)) continue;
      const name = `${reading.point} ${quantity}`;
      const series = this.series.get(name) ?? this.begin(name);
      if (series !== undefined) judge(series, quantity, value, reading.atMs, this.config);
    }
    let score = 0;
    for (const series of this.series.values()) score = Math.max(score, series.score);
    if (score >= 0.5) this.uneasyAtMs = Math.max(this.uneasyAtMs, reading.atMs);
    if (score >= 1) this.alarm = true;
    else if (reading.atMs - this.uneasyAtMs >= this.config.holdMs) this.alarm = false;
    return { score, alarm: this.alarm };
  }

  private begin(name: string): Series | undefined {
    if (this.series.size >= POINTS_MAX) return undefined;
    const series = { baseline: new Baseline(this.config.windowMs), departed: 0, score: 0 };
    this.series.set(name, series);
    return series;
  }
}

function judge(
  series: Series,
  quantity: OpticalQuantity,
  value: number,
  atMs: number,
  config: OpticalConfig,
): void {
  if (isDark(quantity, value, config)) {
    series.score = SCORE_DARK;
    return;
  }
  const level = levelOf(quantity, value);
  if (level === undefined) return;
  const departure = departureOf(series.baseline, quantity, level, config);
  series.baseline.add(atMs, level);
  series.departed = departure >= 1 ? series.departed + 1 : 0;
  const believed = departure < 1 || series.departed >= QUANTITIES[quantity].agreeing;
  series.score = believed ? Math.min(departure, SCORE_DARK) : 0.99;
}

function isDark(quantity: OpticalQuantity, value: number, { darkDbm }: OpticalConfig): boolean {
  if (quantity === "osnr") return value <= 0;
  return quantity === "input-power" && value <= darkDbm && value >= POWER_DBM_MIN;
}

/** The value on the scale that is judged; undefined for what is no reading. */
function levelOf(quantity: OpticalQuantity, value: number): number | undefined {
  // A counter that could not count says 0, as one without errors does: nothing follows from it.
  if (quantity === "ber") return value > 0 && value <= 1 ? Math.log10(value) : undefined;
  if (quantity === "osnr") return value;
  return value >= POWER_DBM_MIN && value <= POWER_DBM_MAX ? value : undefined;
}

/** How far `level` is on the bad side, in thresholds; 0 while there is no baseline. */
function departureOf(
  baseline: Baseline,
  quantity: OpticalQuantity,
  level: number,
  { sigmas, warmUpMs }: OpticalConfig,
): number {
  const centre = baseline.centre();
  if (centre === undefined || centre.spanMs < warmUpMs || centre.samples < WARM_UP_SAMPLES)
    return 0;
  const { worse, least } = QUANTITIES[quantity];
  const threshold = Math.max(least, sigmas * centre.sigma);
  return Math.max(0, (worse * (level - centre.median)) / threshold);
}
