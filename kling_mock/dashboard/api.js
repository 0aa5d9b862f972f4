// @ts-check
/** Requests to the control API and to the imitated service. */

/** @import {ErrorBody} from "./models.js" */

/** @typedef {Record<string, string | number | boolean | null | undefined>} Parameters */
/** @typedef {{ status: number, headers: Headers, body: any }} ServiceReply */

const TOKEN = "kling-mock-token";

/** A refused request, or one without a reply (status 0). The message is for the user. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * The message of any error.
 * @param {unknown} error
 * @returns {string}
 */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** The control API of the server that serves this page. All paths are relative to its own. */
export class Api {
  /** Called when the server wants another token. */
  onToken = () => {};
  /** Called when the number of requests that wait for a reply changes. */
  onPending = (/** @type {number} */ _) => {};
  #pending = 0;

  /** @param {URL} base the URL of the control API, with a slash at its end */
  constructor(base) {
    this.base = base;
  }

  /** @param {string} token */
  setToken(token) {
    sessionStorage.setItem(TOKEN, token);
  }

  /** Whether a token was entered in this window. */
  get hasToken() {
    return sessionStorage.getItem(TOKEN) !== null;
  }

  /** @returns {Record<string, string>} */
  get headers() {
    const token = sessionStorage.getItem(TOKEN);
    return token ? { "x-kling-mock-token": token } : {};
  }

  /**
   * The URL of a path of the control API.
   * @param {string} path
   * @param {Parameters} [parameters] null, undefined and "" leave one out
   * @returns {URL}
   */
  url(path, parameters = {}) {
    const url = new URL(path, this.base);
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
    }
    return url;
  }

  /**
   * @param {string} path
   * @param {Parameters} [parameters]
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async get(path, parameters, signal) {
    return (await this.request("GET", this.url(path, parameters), undefined, signal)).json();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async send(method, path, body) {
    return (await this.request(method, this.url(path), body)).json();
  }

  /**
   * @param {string} path
   * @param {Parameters} [parameters]
   * @returns {Promise<string>}
   */
  async text(path, parameters) {
    return (await this.request("GET", this.url(path, parameters))).text();
  }

  /**
   * @param {string} path
   * @returns {Promise<Blob>}
   */
  async blob(path) {
    return (await this.request("GET", this.url(path))).blob();
  }

  /**
   * @param {string} method
   * @param {URL} url
   * @param {object} [body]
   * @param {AbortSignal} [signal]
   * @returns {Promise<Response>}
   */
  async request(method, url, body, signal) {
    const content = body === undefined ? undefined : JSON.stringify(body);
    /** @type {Response} */
    let response;
    this.onPending(++this.#pending);
    try {
      response = await fetch(url, { method, headers: this.headers, body: content, signal, cache: "no-store" });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0, "the server does not answer");
    } finally {
      // After the reply was read and shown.
      setTimeout(() => this.onPending(--this.#pending));
    }
    if (response.ok) return response;
    if (response.status === 401) this.onToken();
    /** @type {Partial<ErrorBody>} */
    const found = await response.json().catch(() => ({}));
    throw new ApiError(response.status, found.error?.message ?? `the server answered with ${response.status}`);
  }

  /**
   * Sends a request to the imitated service.
   * @param {string} path such as "/kling/v1/images/generations"
   * @param {string} key the API key
   * @param {object} body
   * @returns {Promise<ServiceReply>}
   */
  async create(path, key, body) {
    const url = new URL(`..${path}`, this.base);
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    /** @type {Response} */
    let response;
    try {
      response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    } catch (error) {
      throw new ApiError(0, `the request could not be sent, or its reply was lost: ${messageOf(error)}`);
    }
    const text = await response.text();
    let parsed;
    try {
      parsed = JSON.parse(text);
    } catch {
      parsed = text;
    }
    return { status: response.status, headers: response.headers, body: parsed };
  }
}
