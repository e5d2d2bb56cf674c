import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** They take a minute, and are so small that they would be begun last: one worker would end long before the other. */
const LONG_THOUGH_SMALL = ['test/integration/slack-method-faults.test.ts'];

/** Vitest begins the largest files first where it does not know yet how long each takes; so does this, but for those above. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => LONG_THOUGH_SMALL.some((name) => moduleId.endsWith(name));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
