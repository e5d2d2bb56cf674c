import type { FileLink } from '../../../connectors/web/wire.ts';
import { Icon } from './icon.tsx';

/** What a browser draws by itself; anything larger is only worth its download. */
const DRAWN = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
const DRAWN_BYTES = 10_000_000;

/** A file that the agent made: to be downloaded, and seen where it is a picture. */
export function FileCard({ file, path }: { file: FileLink; path: string }) {
  const { name, href, mime_type, size_bytes } = file;
  const isPicture = DRAWN.includes(mime_type) && size_bytes <= DRAWN_BYTES;
  return (
    <figure className="file">
      {isPicture && <img src={href} alt={name} loading="lazy" />}
      <figcaption>
        <a href={href} download={name}>
          <Icon name="down" /> {name}
        </a>{' '}
        <span className="file-facts">
          {sizeOf(size_bytes)}
          {path !== '' && `, ${path}`}
        </span>
      </figcaption>
    </figure>
  );
}

function sizeOf(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toPrecision(3)} ${units[power]}`;
}
