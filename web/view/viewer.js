// @ts-check
// The scene on a canvas: layers over each other, moved and zoomed by pointer, wheel, touch and keyboard.

const MAX_SCALE = 64;
const KEY_STEP_PX = 64;
const KEY_ZOOM = 1.5;

/**
 * @typedef {object} Layer
 * @property {ImageBitmap} bitmap at any resolution
 * @property {number[]} extent left, top, width and height of what it shows, in pixels of the scene
 * @property {number} opacity
 *
 * @typedef {"scene" | "scene-detail" | "overlay" | "overlay-detail" | "outline" | "outline-detail"} LayerName
 * @typedef {import("../engine/messages.js").Picture} Picture
 */

/** Space around a window that is shown, in multiples of its size. */
const SURROUNDINGS = 3;
/** A window of few pixels is not enlarged further. */
const CLOSEST_SCALE = 12;

/** A detail hides the part of the layer that it shows sharper. @type {[LayerName, LayerName][]} */
const ORDER = [
  ["scene", "scene-detail"],
  ["overlay", "overlay-detail"],
  ["outline", "outline-detail"],
];

export class Viewer {
  /** @type {Map<string, Layer>} drawn in this order */
  #layers = new Map();
  #scene = { width: 0, height: 0 };
  // Canvas pixels in CSS units: screen = (scene - origin) * scale.
  #scale = 1;
  #origin = { x: 0, y: 0 };
  #fitted = true;
  #frame = 0;
  /** Right of this share of the canvas's width, the scene is shown without its result. */
  #swipe = 1;
  /** What is marked by a frame. @type {{x: number, y: number, width: number, height: number} | undefined} */
  #marked;
  /** @type {Map<number, {x: number, y: number}>} */
  #pointers = new Map();

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} onView called after each drawing
   */
  constructor(canvas, onView) {
    this.canvas = canvas;
    this.onView = onView;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    new ResizeObserver(() => this.#resize()).observe(canvas);
    canvas.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#onPointerDown(event));
    canvas.addEventListener("pointermove", (event) => this.#onPointerMove(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.#pointers.delete(/** @type {PointerEvent} */ (event).pointerId));
    }
    canvas.addEventListener("dblclick", (event) => this.zoomAt(2, event.offsetX, event.offsetY));
    canvas.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /**
   * Starts a new scene: removes all layers and shows the whole scene.
   *
   * @param {number} width
   * @param {number} height
   */
  setScene(width, height) {
    for (const { bitmap } of this.#layers.values()) bitmap.close();
    this.#layers.clear();
    this.#marked = undefined;
    this.#scene = { width, height };
    this.fit();
  }

  /**
   * @param {LayerName} name
   * @param {Picture | undefined} picture nothing removes the layer
   * @param {number} [opacity]
   */
  setLayer(name, picture, opacity = 1) {
    this.#layers.get(name)?.bitmap.close();
    this.#layers.delete(name);
    if (picture) this.#layers.set(name, { ...picture, opacity });
    this.redraw();
  }

  /** A copy of a layer's picture. @param {LayerName} name @returns {Promise<Picture | undefined>} */
  async copyOf(name) {
    const layer = this.#layers.get(name);
    return layer && { bitmap: await createImageBitmap(layer.bitmap), extent: /** @type {Picture["extent"]} */ (layer.extent) };
  }

  /** @param {number} opacity of the overlay */
  setOpacity(opacity) {
    for (const name of ["overlay", "overlay-detail"]) {
      const layer = this.#layers.get(name);
      if (layer) layer.opacity = opacity;
    }
    this.redraw();
  }

  /** @param {number} share of the width, from the left, that shows the result */
  setSwipe(share) {
    this.#swipe = share;
    this.redraw();
  }

  /**
   * Draws a frame around a part of the scene.
   *
   * @param {{x: number, y: number, width: number, height: number}} [window] in pixels of the scene; nothing removes the frame
   */
  mark(window) {
    this.#marked = window;
    this.redraw();
  }

  /**
   * Shows a part of the scene with its surroundings.
   *
   * @param {{x: number, y: number, width: number, height: number}} window
   */
  show({ x, y, width, height }) {
    const { clientWidth, clientHeight } = this.canvas;
    const scale = Math.min(clientWidth / (SURROUNDINGS * width), clientHeight / (SURROUNDINGS * height), Math.max(CLOSEST_SCALE, this.#fitScale()));
    this.#scale = Math.max(scale, this.#fitScale());
    this.#origin = { x: x + width / 2 - clientWidth / 2 / this.#scale, y: y + height / 2 - clientHeight / 2 / this.#scale };
    this.#fitted = false;
    this.#keepInSight();
  }

  /**
   * The scene's pixel at a place of the canvas.
   *
   * @param {number} x CSS pixels from the canvas's left edge
   * @param {number} y CSS pixels from the canvas's top edge
   * @returns {{x: number, y: number} | undefined} column and row; undefined beside the scene
   */
  pixelAt(x, y) {
    const pixel = { x: Math.floor(this.#origin.x + x / this.#scale), y: Math.floor(this.#origin.y + y / this.#scale) };
    const { width, height } = this.#scene;
    return pixel.x >= 0 && pixel.y >= 0 && pixel.x < width && pixel.y < height ? pixel : undefined;
  }

  /**
   * The part of the scene in sight, in whole pixels; how many pixels of the screen one of the scene takes; and whether the picture
   * of the whole scene is too coarse for that.
   */
  sight() {
    const { width, height } = this.#scene;
    const ratio = this.canvas.width / Math.max(this.canvas.clientWidth, 1);
    const scale = this.#scale * ratio;
    const left = Math.max(0, Math.floor(this.#origin.x));
    const top = Math.max(0, Math.floor(this.#origin.y));
    const right = Math.min(width, Math.ceil(this.#origin.x + this.canvas.clientWidth / this.#scale));
    const bottom = Math.min(height, Math.ceil(this.#origin.y + this.canvas.clientHeight / this.#scale));
    const whole = this.#layers.get("scene");
    const step = whole ? whole.extent[2] / whole.bitmap.width : 1;
    return {
      window: { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) },
      scale,
      isCoarse: step > 1 && scale * step > 1,
    };
  }

  /** Shows the whole scene. */
  fit() {
    this.#fitted = true;
    const { clientWidth, clientHeight } = this.canvas;
    this.#scale = this.#fitScale();
    this.#origin = {
      x: (this.#scene.width - clientWidth / this.#scale) / 2,
      y: (this.#scene.height - clientHeight / this.#scale) / 2,
    };
    this.redraw();
  }

  /** @param {number} factor */
  zoom(factor) {
    this.zoomAt(factor, this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
  }

  /**
   * Zooms so that the scene's point under (x, y) stays there.
   *
   * @param {number} factor
   * @param {number} x CSS pixels from the canvas's left edge
   * @param {number} y CSS pixels from the canvas's top edge
   */
  zoomAt(factor, x, y) {
    const fit = this.#fitScale();
    const scale = Math.min(Math.max(this.#scale * factor, Math.min(fit, 1) / 2), Math.max(MAX_SCALE, fit));
    this.#origin.x += x / this.#scale - x / scale;
    this.#origin.y += y / this.#scale - y / scale;
    this.#scale = scale;
    this.#fitted = false;
    this.#keepInSight();
  }

  /**
   * @param {number} dx CSS pixels the picture moves to the right
   * @param {number} dy CSS pixels the picture moves down
   */
  pan(dx, dy) {
    this.#origin.x -= dx / this.#scale;
    this.#origin.y -= dy / this.#scale;
    this.#fitted = false;
    this.#keepInSight();
  }

  redraw() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #fitScale() {
    const { clientWidth, clientHeight } = this.canvas;
    const { width, height } = this.#scene;
    if (!width || !height || !clientWidth || !clientHeight) return 1;
    return Math.min(clientWidth / width, clientHeight / height);
  }

  /** Keeps the middle of the view on the scene, so that dragging cannot lose it. */
  #keepInSight() {
    const half = { x: this.canvas.clientWidth / 2 / this.#scale, y: this.canvas.clientHeight / 2 / this.#scale };
    this.#origin.x = Math.min(Math.max(this.#origin.x, -half.x), this.#scene.width - half.x);
    this.#origin.y = Math.min(Math.max(this.#origin.y, -half.y), this.#scene.height - half.y);
    this.redraw();
  }

  #resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    if (this.#fitted) this.fit();
    else this.#keepInSight();
    // A resized canvas is blank at once; waiting for the next frame would flicker.
    this.#draw();
  }

  #draw() {
    const { context, canvas } = this;
    const ratio = canvas.clientWidth ? canvas.width / canvas.clientWidth : 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const scale = this.#scale * ratio;
    context.imageSmoothingQuality = "high";
    /** @param {Layer} layer */
    const place = ({ extent: [left, top, width, height] }) => /** @type {[number, number, number, number]} */ ([
      (left - this.#origin.x) * scale,
      (top - this.#origin.y) * scale,
      width * scale,
      height * scale,
    ]);
    /** @param {Layer} layer */
    const draw = (layer) => {
      context.globalAlpha = layer.opacity;
      // Enlarged pixels stay squares: what the model saw, not what an interpolation makes of it.
      context.imageSmoothingEnabled = (scale * layer.extent[2]) / layer.bitmap.width < 1;
      context.drawImage(layer.bitmap, ...place(layer));
    };
    for (const [name, detailName] of ORDER) {
      const layer = this.#layers.get(name);
      const detail = this.#layers.get(detailName);
      context.save();
      if (name !== "scene" && this.#swipe < 1) {
        context.beginPath();
        context.rect(0, 0, Math.round(canvas.width * this.#swipe), canvas.height);
        context.clip();
      }
      context.save();
      if (detail) {
        const hole = new Path2D();
        hole.rect(0, 0, canvas.width, canvas.height);
        hole.rect(...place(detail));
        context.clip(hole, "evenodd");
      }
      if (layer) draw(layer);
      context.restore();
      if (detail) draw(detail);
      context.restore();
    }
    context.globalAlpha = 1;
    if (this.#swipe < 1) this.#line((path) => path.rect(Math.round(canvas.width * this.#swipe), -2, canvas.width, canvas.height + 4), ratio);
    const marked = this.#marked;
    if (marked) {
      const { x, y, width, height } = marked;
      this.#line((path) => path.rect((x - this.#origin.x) * scale, (y - this.#origin.y) * scale, width * scale, height * scale), ratio);
    }
    this.onView();
  }

  /**
   * A line that is seen on light and on dark ground.
   *
   * @param {(path: Path2D) => void} draw
   * @param {number} ratio canvas pixels in a CSS pixel
   */
  #line(draw, ratio) {
    const path = new Path2D();
    draw(path);
    for (const [color, width] of /** @type {const} */ ([["#000", 4], ["#fff", 2]])) {
      this.context.strokeStyle = color;
      this.context.lineWidth = width * ratio;
      this.context.stroke(path);
    }
  }

  /** @param {WheelEvent} event */
  #onWheel(event) {
    event.preventDefault();
    // Lines and pages come from mice that do not report pixels; a pinch on a trackpad comes as ctrl + wheel.
    const unit = [1, 16, 400][event.deltaMode] ?? 1;
    const speed = event.ctrlKey ? 0.01 : 0.0015;
    this.zoomAt(Math.exp(-event.deltaY * unit * speed), event.offsetX, event.offsetY);
  }

  /** @param {PointerEvent} event */
  #onPointerDown(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
  }

  /** @param {PointerEvent} event */
  #onPointerMove(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.offsetX, y: event.offsetY };
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, now);
    if (!other) return this.pan(now.x - before.x, now.y - before.y);
    const spread = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(Math.hypot(before.x - other.x, before.y - other.y), 1);
    this.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    this.zoomAt(spread, (now.x + other.x) / 2, (now.y + other.y) / 2);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, () => void>} */
    const moves = {
      ArrowLeft: () => this.pan(KEY_STEP_PX, 0),
      ArrowRight: () => this.pan(-KEY_STEP_PX, 0),
      ArrowUp: () => this.pan(0, KEY_STEP_PX),
      ArrowDown: () => this.pan(0, -KEY_STEP_PX),
      "+": () => this.zoom(KEY_ZOOM),
      "=": () => this.zoom(KEY_ZOOM),
      "-": () => this.zoom(1 / KEY_ZOOM),
      0: () => this.fit(),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }
}
