import { messageOf } from "../errors.ts";
import { type Cgroup, openCgroup } from "../host/cgroup.ts";

/** The cgroup that status checks run in. */
const STATUS_CGROUP = "pf9-kube-status";

/**
 * Runs status checks in their cgroup. It is made anew when its limit changes or somebody removed it; where that is not
 * possible, checks run without a limit, and that is told once.
 */
export class StatusLimit implements Disposable {
  readonly #tell: (words: string) => void;
  readonly #open: typeof openCgroup;
  #percent: number | undefined;
  #cgroup: Cgroup | undefined;
  #told = "";

  constructor(tell: (words: string) => void, open: typeof openCgroup = openCgroup) {
    this.#tell = tell;
    this.#open = open;
  }

  /** @param percent of one core; 0 for no limit */
  async within<T>(percent: number, work: () => Promise<T>): Promise<T> {
    if (percent !== this.#percent) this.#cgroup?.remove();
    if (percent !== this.#percent) this.#cgroup = undefined;
    this.#percent = percent;
    if (percent === 0) return await work();
    let begun = false;
    const once = async () => {
      begun = true;
      return await work();
    };
    try {
      this.#cgroup ??= this.#open({ name: STATUS_CGROUP, cpuPercent: percent });
      return await this.#cgroup.within(once);
    } catch (error) {
      if (begun) throw error;
      this.#cgroup = undefined;
      const words = `status checks run without a limit: ${messageOf(error)}`;
      if (words !== this.#told) this.#tell(words);
      this.#told = words;
      return await work();
    }
  }

  [Symbol.dispose](): void {
    this.#cgroup?.remove();
  }
}
