import { EpochMetrics, evaluationOf } from './reports/metrics.js';
export class Account {
    steps = 0;
    samples = 0;
    /** Between lines, those that begin a generation left out. */
    milliseconds = 0;
    /** The newest line of each kind. */
    teachers;
    student;
    best;
    #options;
    #metrics;
    #sinceBest = 0;
    #lastMs = null;
    constructor(options) {
        this.#options = options;
        this.#metrics = new EpochMetrics(options.weightsAt);
    }
    /** Whether so many evaluations in a row were no better that training should end. */
    get isStale() {
        return this.#options.patience !== undefined && this.#sinceBest >= this.#options.patience;
    }
    /** Whether `line` would be the best evaluation so far: more correct answers, or as many at a lower loss. */
    isBest(line) {
        if (line.subject !== 'student' || this.best === undefined)
            return line.subject === 'student';
        const [now, best] = [evaluationOf(line.sums), evaluationOf(this.best.sums)];
        return now.accuracy > best.accuracy || (now.accuracy === best.accuracy && now.loss < best.loss);
    }
    /** @returns the metrics of the epoch that the line closes */
    add(line) {
        if (line.type !== 'generation')
            this.milliseconds += Math.max(0, line.atMs - (this.#lastMs ?? line.atMs));
        this.#lastMs = line.atMs;
        if (line.type === 'commit') {
            this.steps++;
            this.samples += line.samples;
        }
        if (line.type === 'evaluation')
            this.#addEvaluation(line);
        this.#metrics.add(line);
        return 'unit' in line && this.#options.closesEpoch(line.unit) ? this.#metrics.close() : null;
    }
    /** Metrics of an epoch that ended before its time. */
    closeEpoch() {
        return this.#metrics.close();
    }
    #addEvaluation(line) {
        if (line.subject === 'teachers') {
            this.teachers = line;
            return;
        }
        this.student = line;
        const isBest = this.isBest(line);
        this.#sinceBest = isBest ? 0 : this.#sinceBest + 1;
        if (isBest)
            this.best = line;
    }
}
//# sourceMappingURL=account.js.map