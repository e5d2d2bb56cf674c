/** The smallest bytes that say of themselves that they are an image of this size; `weight` is how many bytes it has. */
export function png(width = 1, height = 1, weight = 33): Buffer {
  const bytes = Buffer.alloc(Math.max(weight, 33));
  bytes.write('\x89PNG\r\n\x1a\n', 'latin1');
  bytes.write('IHDR', 12, 'latin1');
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  return bytes;
}

export function gif(width = 1, height = 1): Buffer {
  const bytes = Buffer.alloc(14);
  bytes.write('GIF89a', 'latin1');
  bytes.writeUInt16LE(width, 6);
  bytes.writeUInt16LE(height, 8);
  return bytes;
}

/** With a segment of `before` bytes (a colour profile) in front of its frame. */
export function jpeg(width = 1, height = 1, before = 16): Buffer {
  const profile = Buffer.alloc(before + 2);
  profile.set([0xff, 0xe2]);
  profile.writeUInt16BE(before, 2);
  const frame = Buffer.alloc(11);
  frame.set([0xff, 0xc2, 0, 9, 8]);
  frame.writeUInt16BE(height, 5);
  frame.writeUInt16BE(width, 7);
  return Buffer.concat([Buffer.from([0xff, 0xd8]), profile, frame]);
}

export function webp(form: 'VP8 ' | 'VP8L' | 'VP8X', width = 1, height = 1): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.write(`RIFF\0\0\0\0WEBP${form}`, 'latin1');
  if (form === 'VP8 ') {
    bytes.writeUInt16LE(width, 26);
    bytes.writeUInt16LE(height, 28);
  } else if (form === 'VP8L') bytes.writeUInt32LE((width - 1) | ((height - 1) << 14), 21);
  else {
    bytes.writeUIntLE(width - 1, 24, 3);
    bytes.writeUIntLE(height - 1, 27, 3);
  }
  return bytes;
}
