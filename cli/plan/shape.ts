/** What a prepared run asks of every step. */
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';
import type { PlannedRun } from './advice.js';

export async function shapeOf({ recipe, student }: PreparedRun): Promise<Pick<PlannedRun, 'shape' | 'bytesBy'>> {
  const { planReplica } = await import('../../shared/replica/plan.js');
  const { contributionBytes } = await import('../../shared/replica/reduction/contribution.js');
  const { microBatchCount } = await import('../../shared/replica/reduction/tree.js');
  const replica = planReplica(student, recipe.optimizer, recipe.compression);
  const { size, micro = size } = recipe.batch;
  return {
    shape: { samples: size, microBatches: microBatchCount(size, micro), bytes: contributionBytes(replica) },
    bytesBy: {
      none: contributionBytes(replica, 'none'),
      bf16: contributionBytes(replica, 'bf16'),
      int8: contributionBytes(replica, 'int8'),
    },
  };
}
