import { suite } from "uvu";
import * as assert from "uvu/assert";
import { opticalReadings, scoreOptical } from "../../../../predictor/rows/optical-rows.ts";
import { parseTable } from "../../../../runtime/csv.ts";

const rows = suite("optical rows");

rows("opticalReadings() finds its columns however they are written", () => {
  const headers = [
    "Timestamp,Type,ID,BER,OSNR,InputPower,OutputPower,Failure",
    "time,type,port,pre-FEC BER,osnr_db,Rx Power (dBm),tx_power_dbm,failure",
  ];
  for (const header of headers) {
    const [reading] = opticalReadings(parseTable(`${header}\n100,x,a,1e-8,38.5,,0.7,1\n`));
    const values = { ber: 1e-8, osnr: 38.5, "input-power": Number.NaN, "output-power": 0.7 };
    assert.equal(reading, { atMs: 100_000, point: "a", values });
  }
});

const TIMES = [
  ["1623394635", 1_623_394_635_000],
  ["1623394635000", 1_623_394_635_000],
  ["2021-06-11T06:57:15Z", 1_623_394_635_000],
  ["", 0],
] as const;

for (const [text, atMs] of TIMES) {
  rows(`opticalReadings() reads the time ${JSON.stringify(text)}`, () => {
    assert.is(opticalReadings(parseTable(`time,ber\n${text},1e-8\n`))[0]?.atMs, atMs);
  });
}

rows("opticalReadings() counts each point's readings where there is no clock", () => {
  const table = parseTable("id,ber\na,1e-8\nb,1e-8\na,1e-8\n");
  assert.equal(
    opticalReadings(table).map(({ atMs }) => atMs),
    [0, 0, 3_500],
  );
});

rows("scoreOptical() answers every row, in order, by this and earlier ones", () => {
  const lines = Array.from({ length: 40 }, (_, index) => `${index},a,${index < 30 ? -20 : -38}`);
  const text = (count: number) => ["t,ID,InputPower", ...lines.slice(0, count)].join("\n");
  const whole = scoreOptical(parseTable(text(40).replace("t,", "Timestamp,")));
  assert.equal(whole.header, ["row", "Timestamp", "ID", "score", "alarm"]);
  assert.equal(whole.rows[29], ["30", "29", "a", "0", "0"]);
  assert.equal(whole.rows[30], ["31", "30", "a", "10", "1"]);
  const part = scoreOptical(parseTable(text(35).replace("t,", "Timestamp,")));
  assert.equal(part.rows, whole.rows.slice(0, 35));
});

rows("scoreOptical() refuses another kind of file, and says what it wants", () => {
  assert.throws(
    () => scoreOptical(parseTable("serial_number,smart_5_raw\nx,1\n")),
    /expected columns BER.*begins serial_number/,
  );
});

rows.run();
