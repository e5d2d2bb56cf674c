import type { Db } from 'mongodb';
import { createHomeDrawing, type DrawingParts, type HomeDrawing } from './draw-home.ts';
import { createHomeNews, type HomeNews, type HomeNewsParts } from './home-news.ts';
import { createHomes, type Homes } from './homes.ts';

/** Everybody's Home tab: drawn when they open it, and again when something changes that concerns them. */
export interface HomeTabs
  extends Pick<HomeDrawing, 'refresh'>,
    Pick<Homes, 'createIndexes'>,
    Pick<HomeNews, 'changed' | 'start' | 'stop'> {}

type HomeTabParts = Omit<DrawingParts, 'homes'> & Omit<HomeNewsParts, 'homes' | 'draw'> & { db: Db | null };

/** @param parts.db null: tabs are drawn when they are opened and pressed, and nobody's is followed */
export function createHomeTabs(parts: HomeTabParts): HomeTabs {
  const homes = createHomes(parts.db, parts.now);
  const { draw, refresh } = createHomeDrawing({ ...parts, homes });
  const { changed, start, stop } = createHomeNews({ ...parts, homes, draw });
  return { createIndexes: homes.createIndexes, refresh, changed, start, stop };
}
