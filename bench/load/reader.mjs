/**
 * The floor of many streams at once: a process that does nothing but read them with the SDK's own `messages.stream`. (The harness
 * lets the SDK ask and reads by itself, src/harness/model-stream.ts, so it can be ahead of this.)
 * Plain JavaScript, because its memory is measured.
 */
import Anthropic from '@anthropic-ai/sdk';
// Loaded here, not ahead of this file: it must not hear a request that only the handlers below know.
import '../processes/probe.mjs';
import { serve } from '../processes/serve.mjs';

const handlers = {
  /**
   * Read so many answers at once; returns how many were wrong.
   * @param {{ base_url: string, streams: number, ttft: number, tokens: number, rate: number }} request
   */
  async read({ base_url, streams, ttft, tokens, rate }) {
    const client = new Anthropic({ apiKey: 'bench', baseURL: base_url, maxRetries: 0 });
    const read = async (/** @type {number} */ index) => {
      const nonce = `r${process.pid}x${index}`;
      const content = `bench nonce=${nonce} calls=0 ttft=${ttft} tokens=${tokens} rate=${rate};`;
      const stream = client.beta.messages.stream({
        model: 'claude-sonnet-5-5',
        max_tokens: 1000,
        messages: [{ role: 'user', content }],
      });
      const [block] = (await stream.finalMessage()).content;
      const text = block?.type === 'text' ? block.text : '';
      return text.startsWith(`answers=${nonce} `) && text.split(' word').length - 1 === tokens;
    };
    const right = await Promise.all(Array.from({ length: streams }, (_, index) => read(index)));
    return right.filter((one) => !one).length;
  },
};
/** @typedef {typeof handlers} ReaderHandlers */

serve(handlers);
