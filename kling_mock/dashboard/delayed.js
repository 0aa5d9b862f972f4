// @ts-check
/** An action for events that come in groups. */

/**
 * A function that calls an action after a pause in milliseconds; calls during the pause have no further effect.
 * Its `cancel` ends a pause without the action.
 * @param {number} pause
 * @param {() => unknown} action
 * @returns {{ (): void, cancel: () => void }}
 */
export function delayed(pause, action) {
  let timer = 0;
  const later = () => {
    timer ||= window.setTimeout(() => {
      timer = 0;
      action();
    }, pause);
  };
  const cancel = () => {
    clearTimeout(timer);
    timer = 0;
  };
  return Object.assign(later, { cancel });
}
