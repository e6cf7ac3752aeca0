"""Smaller pictures: a screenshot as a PNG of few colours, which is what a page of text has in all but its edges.

The browser counts the colours, since it can decode. Not here: any scaling or cutting.
"""

from __future__ import annotations

import base64
import struct
import zlib

from playwright.sync_api import Page

COMMON, RARE = 80, 40
"""How many colours are taken because they are frequent, and how many because no other is near them: a red word on a
page of black ones. Together enough for edges of text; a palette holds up to 256 (PNG specification, PLTE)."""
COUNT = """
async ([url, common, rare]) => {
  const bitmap = await createImageBitmap(await (await fetch(url)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const brush = canvas.getContext("2d");
  brush.drawImage(bitmap, 0, 0);
  const { data } = brush.getImageData(0, 0, bitmap.width, bitmap.height);
  const counts = new Map();
  for (let i = 0; i < data.length; i += 4) {
    const colour = (data[i] << 16) | (data[i + 1] << 8) | data[i + 2];
    counts.set(colour, (counts.get(colour) || 0) + 1);
  }
  const byCount = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  const far = (a, b) => [16, 8, 0].reduce((sum, bits) => sum + (((a >> bits) & 255) - ((b >> bits) & 255)) ** 2, 0);
  const palette = [];
  const index = new Map(byCount.map((colour) => [colour, 0]));
  const take = (colour) => {
    const at = palette.push(colour) - 1;
    for (const [each, now] of index) if (at === 0 || far(colour, each) < far(palette[now], each)) index.set(each, at);
  };
  byCount.slice(0, common).forEach(take);
  const missed = (colour) => counts.get(colour) * far(colour, palette[index.get(colour)]);
  for (let left = rare; left > 0; left--) take(byCount.reduce((a, b) => (missed(b) > missed(a) ? b : a)));
  const pixels = new Uint8Array(data.length / 4);
  for (let i = 0; i < data.length; i += 4) {
    pixels[i / 4] = index.get((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  }
  const told = await new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(new Blob([pixels]));
  });
  return { width: bitmap.width, palette, pixels: told.split(",")[1] };
}
"""


def small(page: Page, picture: bytes) -> bytes:
    """The same picture with a palette, made in an empty page of the same browser."""
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    bench = page.context.new_page()
    told = bench.evaluate(COUNT, [url, COMMON, RARE])
    bench.close()
    width, pixels = int(told["width"]), base64.b64decode(told["pixels"])
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    head = struct.pack(">IIBBBBB", width, len(pixels) // width, 8, 3, 0, 0, 0)
    palette = b"".join(colour.to_bytes(3, "big") for colour in told["palette"])
    parts = ((b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
