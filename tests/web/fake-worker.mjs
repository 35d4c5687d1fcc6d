// A worker that the test plays: it records what it is asked and says what it is told to.

export class FakeWorker extends EventTarget {
  /** All that were started. @type {FakeWorker[]} */
  static all = [];
  /** Called with each request, if the test wants answers to come by themselves. @type {((worker: FakeWorker, message: any) => void) | undefined} */
  static answer;
  received = [];
  isTerminated = false;

  constructor(url, options) {
    super();
    this.url = String(url);
    this.options = options;
    FakeWorker.all.push(this);
  }

  postMessage(message) {
    this.received.push(structuredClone(message));
    FakeWorker.answer?.(this, message);
  }

  terminate() {
    this.isTerminated = true;
  }

  say(data) {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  /** The last request of a method. */
  asked(method) {
    return this.received.findLast((message) => message.method === method);
  }
}
