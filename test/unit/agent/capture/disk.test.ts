import { copyFile, mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Extent,
  mapChain,
  mapLayer,
  PIECE_BYTES_MAX,
  readExtents,
} from "../../../../agent/capture/disk.ts";
import { FlatImage } from "../../../../agent/capture/disk-flat.ts";
import {
  createOverlay,
  type Image,
  imageName,
  inspectImage,
} from "../../../../agent/capture/disk-images.ts";
import { runCommand as run } from "../../../../runtime/command.ts";

const MIB = 1024 * 1024;
const SIZE = 8 * MIB;

interface World {
  folder: string;
  raw: Image;
}
const disk = suite<World>("disk");

disk.before.each(async (world) => {
  world.folder = await mkdtemp(join(tmpdir(), "disk-"));
  world.raw = { path: join(world.folder, "base.raw"), format: "raw" };
  await using file = await open(world.raw.path, "wx");
  await file.truncate(SIZE);
  await file.write(Buffer.alloc(MIB + 4096, 1), 0, MIB + 4096, MIB);
});
disk.after.each((world) => rm(world.folder, { recursive: true }));

async function qemuIo(chain: readonly Image[], ...commands: string[]): Promise<void> {
  const args = commands.flatMap((command) => ["-c", command]);
  const { code, stderr } = await run("qemu-io", [...args, imageName(chain)]);
  assert.is(code, 0, stderr);
}

async function overlay(world: World, name: string): Promise<Image> {
  const path = join(world.folder, name);
  await createOverlay(run, { path, sizeBytes: SIZE });
  return { path, format: "qcow2" };
}

/** A flat image made of nothing but the extents of each step. */
async function flatten(world: World, name: string, steps: readonly Extent[][]): Promise<Buffer> {
  const path = join(world.folder, name);
  const image = await FlatImage.create(path, SIZE, run);
  for (const extents of steps) {
    const options = { run, temporaryFolder: world.folder };
    for await (const { offset, length, bytes } of readExtents(extents, options)) {
      if (bytes === undefined) await image.zeroExtent(offset, length);
      else {
        assert.ok(bytes.length <= PIECE_BYTES_MAX);
        assert.is(bytes.length, length);
        await image.writeExtent(offset, bytes);
      }
    }
  }
  await image.flush();
  await image.close();
  return readFile(path);
}

/** What qemu-img itself makes of the chain. */
async function converted(world: World, chain: readonly Image[]): Promise<Buffer> {
  const path = join(world.folder, "converted.raw");
  await run("qemu-img", ["convert", "-O", "raw", imageName(chain), path]);
  return readFile(path);
}

disk("mapLayer() finds what was written to an overlay alone, zeros too", async (world) => {
  const top = await overlay(world, "1.qcow2");
  const chain = [world.raw, top];
  await qemuIo(chain, "write -P 2 1M 4k", "write -P 3 4M 8k", "write -z 2M 128k");
  const extents = await mapLayer(run, "vda", top);
  const found = extents.map(({ disk: id, offset, length, zero }) => [id, offset, length, zero]);
  assert.equal(found, [
    ["vda", MIB, 4096, false],
    ["vda", 2 * MIB, 128 * 1024, true],
    ["vda", 4 * MIB, 8192, false],
  ]);
});

disk("mapChain() then mapLayer() of each epoch rebuild the disk exactly", async (world) => {
  const first = await overlay(world, "1.qcow2");
  const second = await overlay(world, "2.qcow2");
  await qemuIo([world.raw, first], "write -P 2 1M 1M", "write -P 4 5000k 12k", "write -z 0 1536k");
  const epochs = [await mapChain(run, "vda", [world.raw, first])];
  await qemuIo([world.raw, first, second], "write -P 5 1600k 4k", "write -z 5000k 4k");
  epochs.push(await mapLayer(run, "vda", second));
  const expected = await converted(world, [world.raw, first, second]);
  assert.ok((await flatten(world, "flat.raw", epochs)).equals(expected));
  // It must matter that both epochs are there.
  assert.not((await flatten(world, "half.raw", epochs.slice(0, 1))).equals(expected));
});

disk("mapChain() leaves out what was never written", async (world) => {
  const top = await overlay(world, "1.qcow2");
  assert.equal(await mapChain(run, "vda", [top]), []);
  const extents = await mapChain(run, "vda", [world.raw, top]);
  const bytes = extents.filter(({ zero }) => !zero).reduce((sum, { length }) => sum + length, 0);
  assert.is(bytes, MIB + 4096);
});

disk("readExtents() reads compressed clusters too", async (world) => {
  const path = join(world.folder, "packed.qcow2");
  await run("qemu-img", ["convert", "-c", "-O", "qcow2", imageName([world.raw]), path]);
  const packed: Image = { path, format: "qcow2" };
  const extents = await mapChain(run, "vda", [packed]);
  assert.ok(extents.some((extent) => !extent.zero && extent.source.type === "image"));
  const expected = await readFile(world.raw.path);
  assert.ok((await flatten(world, "flat.raw", [extents])).equals(expected));
});

disk("mapLayer() says what qemu-img says of a broken image", async (world) => {
  const path = join(world.folder, "broken.qcow2");
  await writeFile(path, "not an image");
  try {
    await mapLayer(run, "vda", { path, format: "qcow2" });
    assert.unreachable();
  } catch (thrown) {
    assert.is((thrown as { code?: string }).code, "DISK_INVALID");
  }
});

disk("mapLayer() refuses a map that is not as documented", async () => {
  const answer = async () => ({ code: 0, stdout: '[{"start": -1}]', stderr: "" });
  try {
    await mapLayer(answer, "vda", { path: "/x", format: "raw" });
    assert.unreachable();
  } catch (thrown) {
    assert.is((thrown as { code?: string }).code, "DISK_INVALID");
  }
});

disk("inspectImage() reads the size and refuses images that need others", async (world) => {
  assert.is(await inspectImage(run, world.raw), SIZE);
  const backed = join(world.folder, "backed.qcow2");
  await run("qemu-img", ["create", "-f", "qcow2", "-b", world.raw.path, "-F", "raw", backed]);
  const split = join(world.folder, "split.qcow2");
  const outside = join(world.folder, "outside");
  const option = `data_file=${outside}`;
  await run("qemu-img", ["create", "-f", "qcow2", "-o", option, split, "1M"]);
  const odd = join(world.folder, "odd.raw");
  await copyFile(world.raw.path, odd);
  for (const [path, reason] of [
    [backed, /backing file/],
    [split, /in another file/],
  ] as const) {
    try {
      await inspectImage(run, { path, format: "qcow2" });
      assert.unreachable();
    } catch (thrown) {
      assert.match(String(thrown), reason);
    }
  }
});

disk("FlatImage refuses what is outside the disk", async (world) => {
  const image = await FlatImage.create(join(world.folder, "flat"), SIZE, run);
  for (const [offset, length] of [
    [SIZE, 1],
    [SIZE - 1, 2],
    [-1, 1],
    [0.5, 1],
    [Number.MAX_SAFE_INTEGER, 1],
  ] as const) {
    for (const work of [
      () => image.writeExtent(offset, new Uint8Array(length)),
      () => image.zeroExtent(offset, length),
    ]) {
      const code = await work().then(
        () => "nothing was thrown",
        (thrown: { code?: string }) => thrown.code,
      );
      assert.is(code, "DISK_INVALID", `${offset}+${length}`);
    }
  }
  await image.close();
  assert.is((await stat(image.path)).blocks, 0);
});

disk("FlatImage zeroes long and short ranges, with and without punching", async (world) => {
  const refusing = async () => ({ code: 1, stdout: "", stderr: "not supported" });
  for (const [name, port] of [
    ["punched", run],
    ["written", refusing],
  ] as const) {
    const path = join(world.folder, name);
    const image = await FlatImage.create(path, SIZE, port);
    await image.writeExtent(0, Buffer.alloc(SIZE, 7));
    await image.zeroExtent(4096, 512);
    await image.zeroExtent(MIB, 3 * MIB);
    await image.close();
    const expected = Buffer.alloc(SIZE, 7)
      .fill(0, 4096, 4608)
      .fill(0, MIB, 4 * MIB);
    assert.ok((await readFile(path)).equals(expected), name);
  }
});

disk("FlatImage.open() refuses another size, create() an existing file", async (world) => {
  const path = join(world.folder, "flat");
  await (await FlatImage.create(path, SIZE, run)).close();
  await (await FlatImage.open(path, SIZE, run)).close();
  for (const [work, code] of [
    [() => FlatImage.open(path, SIZE + 512, run), "DISK_INVALID"],
    [() => FlatImage.create(path, SIZE, run), "FILE_FAILED"],
    [() => FlatImage.open(`${path}-none`, SIZE, run), "FILE_FAILED"],
  ] as const) {
    const found = await work().then(
      () => "nothing was thrown",
      (thrown: { code?: string }) => thrown.code,
    );
    assert.is(found, code);
  }
});

disk.run();
