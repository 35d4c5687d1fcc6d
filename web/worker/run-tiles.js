// @ts-check
// Who computes the tiles of a run: the graphics card as long as it answers, then workers on the processor.

/** @typedef {import("./tile-pool.js").TilePool} TilePool */
/** @typedef {() => Promise<TilePool | undefined>} StartPool starts workers on the processor, or none where the run is to do without */

export class RunTiles {
  /** @type {TilePool | undefined} */
  #gpu;
  /** @type {TilePool | undefined} */
  #pool;
  #startPool;
  #onLost;
  /** @type {Promise<void> | undefined} */
  #starting;
  #isOver = false;
  /** Devices that gave a tile. @type {Set<"webgpu" | "cpu">} */
  #answered = new Set();

  /**
   * @param {TilePool | undefined} gpu
   * @param {StartPool} startPool
   * @param {(gpu: TilePool) => void} onLost called when the graphics card is given up
   */
  constructor(gpu, startPool, onLost) {
    this.#gpu = gpu;
    this.#startPool = startPool;
    this.#onLost = onLost;
  }

  /** Starts the workers on the processor, if the run begins there. */
  async start() {
    if (!this.#gpu) await this.#startOnProcessor();
  }

  /** How many tiles can be computed at the same time; 0 if whoever asks has to compute them. It changes when the graphics card is lost. */
  get size() {
    if (this.#gpu) return this.#gpu.tilesAtOnce;
    return this.#starting ? 1 : (this.#pool?.size ?? 0);
  }

  /** Workers on the processor. */
  get workers() {
    return this.#pool?.size ?? 0;
  }

  /** The devices that have computed tiles, as the metadata of files names them: `webgpu`, `cpu` or `webgpu, cpu`; empty if none has. */
  get devices() {
    return ["webgpu", "cpu"].filter((device) => this.#answered.has(/** @type {"webgpu" | "cpu"} */ (device))).join(", ");
  }

  /**
   * Computes a tile; fails where whoever asks has to compute it.
   *
   * @param {Float32Array} input
   * @param {number} height
   * @param {number} width
   * @returns {Promise<Float32Array>}
   */
  async forward(input, height, width) {
    const gpu = this.#gpu;
    if (gpu) {
      try {
        const values = await gpu.forward(input, height, width);
        this.#answered.add("webgpu");
        return values;
      } catch (cause) {
        // Tiles that a run left behind start nothing any more.
        if (this.#isOver) throw cause;
        await this.#leave(gpu);
      }
    }
    await this.#starting;
    if (!this.#pool || this.#pool.size === 0) throw new Error("no workers");
    const values = await this.#pool.forward(input, height, width);
    this.#answered.add("cpu");
    return values;
  }

  /** A card that is about to be started again keeps nobody waiting who wants to stop. */
  cancel() {
    if (this.#gpu?.isReplacing) this.#gpu.close();
  }

  /** No more tiles are wanted. */
  end() {
    this.#isOver = true;
  }

  /** Every try to get the card back failed: from here on, the processor computes. @param {TilePool} gpu */
  #leave(gpu) {
    if (this.#gpu === gpu) {
      this.#gpu = undefined;
      gpu.close();
      this.#onLost(gpu);
      void this.#startOnProcessor();
    }
    return this.#starting;
  }

  #startOnProcessor() {
    this.#starting = this.#startPool().then(
      (pool) => {
        this.#pool = pool;
        this.#starting = undefined;
      },
      (cause) => {
        // Whoever asks computes the tiles, then.
        console.warn("No workers for tiles:", cause);
        this.#starting = undefined;
      },
    );
    return this.#starting;
  }
}
