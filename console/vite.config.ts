import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Only for `vite dev`: the running Deckhand whose API the page talks to. */
const deckhand = 'http://127.0.0.1:3000';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    // The first to know light-dark(), on which both colour schemes rest.
    target: ['chrome123', 'edge123', 'firefox120', 'safari17.5'],
    // The page's policy allows nothing inline, and every browser it supports preloads modules by itself.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
  },
  server: { proxy: { '/web': { target: deckhand, changeOrigin: true, headers: { origin: deckhand } } } },
});
