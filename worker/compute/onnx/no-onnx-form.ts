/** What is said of a model that cannot be written as an ONNX graph. */
import { exitCodes, UserError } from '../../../shared/errors.js';

/** Part of a model that has no form in ONNX. Its message is for a student that is exported; the exit code is 65. */
export class NoOnnxForm extends UserError {
  /** `layer NAME (TYPE)`, or `node NAME (OPERATOR)` */
  readonly part: string;
  readonly why: string;

  constructor(part: string, why: string) {
    super(`student ${part}: ${why}; choose --format tfjs or safetensors`, exitCodes.data);
    [this.part, this.why] = [part, why];
  }
}
