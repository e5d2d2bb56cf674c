export type ImageMediaType = 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp';

/**
 * What the Messages API takes of one image (platform.claude.com/docs/en/build-with-claude/vision): 5 MB, counted in
 * base64, and 8,000 pixels either way. One that is more ends every request that repeats it.
 */
export const MAX_IMAGE_BYTES = 3.75 * 1024 * 1024;
const MAX_PIXELS = 8_000;

/** What Claude can be shown of these bytes: an image by what stands in it, whatever it is called; null when it is none. */
export function imageTypeOf(bytes: Uint8Array): ImageMediaType | null {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'image/gif';
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') return 'image/webp';
  return null;
}

/** Why an image cannot be shown to Claude, as the end of a sentence; null when it can. */
export function problemOfImage(bytes: Uint8Array, type: ImageMediaType): string | null {
  if (bytes.length > MAX_IMAGE_BYTES) {
    return `an image of ${bytes.length} bytes; at most ${MAX_IMAGE_BYTES} can be shown`;
  }
  const size = sizeOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), type);
  if (size === null) return 'an image that is not whole';
  if (Math.max(size.width, size.height) > MAX_PIXELS) {
    return `an image of ${size.width} by ${size.height} pixels; at most ${MAX_PIXELS} either way can be shown`;
  }
  return size.width === 0 || size.height === 0 ? 'an image without a pixel' : null;
}

interface Size {
  width: number;
  height: number;
}

function sizeOf(bytes: Buffer, type: ImageMediaType): Size | null {
  try {
    switch (type) {
      case 'image/png':
        return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
      case 'image/gif':
        return { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
      case 'image/jpeg':
        return jpegSize(bytes);
      case 'image/webp':
        return webpSize(bytes);
      default:
        return type satisfies never;
    }
  } catch {
    // It ends before its size.
    return null;
  }
}

/** Segments follow one another; the frame's (SOF, without the three that are none) has the size. */
function jpegSize(bytes: Buffer): Size | null {
  for (let at = 2; bytes.readUInt8(at) === 0xff; ) {
    const marker = bytes.readUInt8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    at += marker === 0xff ? 1 : 2 + bytes.readUInt16BE(at + 2);
  }
  return null;
}

/** The three forms of a WebP (developers.google.com/speed/webp/docs/riff_container). */
function webpSize(bytes: Buffer): Size | null {
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return null;
  }
}
