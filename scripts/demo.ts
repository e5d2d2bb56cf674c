import { runDemo } from '../test/support/demo.ts';

/** `npm run demo`: the whole path, headless; `--json` prints one object instead of the transcript. */
const { transcript, report } = await runDemo();
if (process.argv.includes('--json')) console.log(JSON.stringify(report));
else {
  const { session_id, seconds, approvals } = report;
  console.log(`${transcript}\n\nDone in ${seconds} s: session ${session_id}, ${approvals} approval.`);
}
