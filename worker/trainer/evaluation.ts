/**
 * One micro-batch of an evaluation lease: the models answer, the task's figures count. It takes no gradient and changes
 * nothing.
 */
import type { GroundTruth } from '../../shared/figures/task-figures.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import type { Sums } from '../../shared/replica/reduction/contribution.js';
import type { MicroBatch, RunCompute } from '../compute/contract.js';

/** The sums of the student, over the micro-batch's samples that have a label. */
export async function evaluateStudent(batch: MicroBatch, compute: RunCompute): Promise<Sums> {
  const { logits, exits } = await compute.student.outputs(batch.inputs, batch.rows);
  return figuresByTask[compute.task].studentSums(truthOf(batch, compute), logits, exits);
}

/**
 * The sums of the teachers and of their ensemble.
 * @param dropped teachers that the run goes on without, which are not asked
 * @throws TeacherFailure when one of the others cannot answer
 */
export async function evaluateTeachers(
  batch: MicroBatch,
  compute: RunCompute,
  dropped: readonly string[],
): Promise<Sums> {
  const { teachers, ensemble } = await compute.teacherLogits(batch, dropped);
  const { specialties, task } = compute;
  return figuresByTask[task].teacherSums(truthOf(batch, compute), {
    teachers,
    ensemble,
    specialties,
    routes: batch.routes,
  });
}

function truthOf(
  { rows, targets: { labels, vectors = new Float32Array(0) } }: MicroBatch,
  { classes, positions = 1, targetMeans }: RunCompute,
): GroundTruth {
  return { rows, labels, vectors, width: classes, positions, means: targetMeans };
}
