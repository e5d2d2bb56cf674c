import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { useConsoleStage } from '../support/console-stage.ts';

const stage = useConsoleStage();

/** One pixel that a browser draws. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

it('shows a picture that the agent made, and downloads whatever it made', async () => {
  const ana = await stage.enter('Ana');
  await ana.say('Draw me something');
  const key = await stage.keyOf(ana);
  await stage.crew.share(key, 'Größe "1".png', 'image/png', PIXEL);
  await stage.crew.share(key, 'page.html', 'text/html', Buffer.from('<script>document.title = "run"</script>'));

  const picture = ana.page.getByRole('img', { name: 'Größe "1".png' });
  await picture.waitFor();
  await picture.evaluate((image: HTMLImageElement) => image.decode());
  expect(await picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(1);

  for (const [name, content] of [
    ['Größe "1".png', PIXEL],
    ['page.html', Buffer.from('<script>document.title = "run"</script>')],
  ] as const) {
    const link = ana.page.getByRole('link', { name });
    const [download] = await Promise.all([ana.page.waitForEvent('download'), link.click()]);
    const bytes = await readFile(await download.path());
    expect(bytes.equals(content)).toBe(true);
  }
  expect(await ana.page.getByRole('img', { name: 'page.html' }).count()).toBe(0);
  expect(await ana.page.title()).not.toBe('run');
});
