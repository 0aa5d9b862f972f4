// Generated: make docs
export interface Account {
  name: string;
  tasks: number;
  spend: number;
  unfinished: number;
  peak_concurrency: number;
}

export interface AccountHistory {
  name: string;
  now: number;
  points: Array<AccountPoint>;
}

export interface AccountPoint {
  at: number;
  spend: number;
  unfinished: number;
}

export interface Accounts {
  accounts: Array<Account>;
  total: Account;
}

export interface AttemptInfo {
  number: number;
  at: number;
  status: number | null;
  error: string | null;
  kind: string;
  duration: number;
  retry_at: number | null;
}

export interface Call {
  id: string;
  at: number;
  account: string | null;
  method: string;
  path: string;
  headers: Array<[string, string]>;
  request: CreateRequest | null;
  status: number;
  task_id: string | null;
  shown: string | null;
  actual: string | null;
  rule: string | null;
  message: string | null;
  script: number | null;
  notes: Array<string>;
  faults: Array<string>;
}

export interface CallPage {
  calls: Array<Call>;
  next: string | null;
  total: number;
}

export interface CallbackEvent {
  id: string;
  task_id: string;
  account: string;
  attempt: AttemptInfo;
}

export interface CallbackInfo {
  id: string;
  task_id: string;
  account: string;
  url: string;
  status: string;
  due: number;
  delivered: boolean;
  attempts: Array<AttemptInfo>;
  next_attempt: number | null;
  refused: string | null;
  body: Record<string, any>;
}

export interface CallbackPage {
  callbacks: Array<CallbackInfo>;
  next: string | null;
  total: number;
}

export interface ClockJump {
  at: number;
  seconds: number;
}

export interface ClockReading {
  now: number;
  speed: number;
  frozen: boolean;
  jumps: Array<ClockJump>;
  next_event: Event | null;
}

export interface CreateRequest {
  values: Record<string, any>;
  pictures: Array<Picture>;
  watermark: boolean;
}

export interface Done {
  ok: true;
}

export interface ErrorBody {
  error: ErrorInfo;
}

export interface ErrorInfo {
  message: string;
  pointer: string | null;
  nearest: Array<string>;
}

export interface Event {
  kind: "callback" | "script" | "task" | "window";
  at: number;
  task_id: string | null;
  account: string | null;
}

export interface ImageInfo {
  url: string;
  width: number;
  height: number;
  size: number;
  metadata: Record<string, any>;
}

export interface NextDelivery {
  id: string;
  status: string;
  at: number;
  kind: string;
}

export interface Picture {
  field: string;
  sha256: string;
  url: string | null;
  size: number;
  thumbnail: boolean;
}

export interface PlannedChange {
  status: string;
  at: number | null;
  polls: number | null;
  failure: string | null;
}

export interface RequestField {
  name: string;
  kind: "choice" | "flag" | "integer" | "json" | "number" | "picture" | "pictures" | "text";
  doc: string;
  required: boolean;
  default: any;
  options: Array<string>;
  minimum: number | null;
  maximum: number | null;
  item: string | null;
}

export interface RouteInfo {
  gateway: string;
  operation: string;
  title: string;
  path: string;
  fields: Array<RequestField>;
}

export interface Routes {
  routes: Array<RouteInfo>;
}

export interface RuleInfo {
  id: string;
  texts: Array<RuleText>;
  switches: Array<RuleSwitch>;
}

export interface RuleSwitch {
  setting: string;
  value: any;
  relaxed: any;
  fixed: string | null;
}

export interface RuleText {
  of: Array<string>;
  sentence: string;
  origin: string;
  reference: string;
  confidence: string;
  effect: string;
}

export interface ScriptEvent {
  id: number;
  change: "removed" | "used" | "written";
  script: ScriptInfo | null;
}

export interface ScriptInfo {
  id: number;
  account: string | null;
  document: Record<string, any>;
  description: string;
  used: number;
  uses_left: number | null;
  until: number | null;
  enabled: boolean;
}

export interface ScriptList {
  scripts: Array<ScriptInfo>;
}

export interface ScriptMiss {
  call: Call;
  reasons: Array<string>;
}

export interface ScriptMisses {
  misses: Array<ScriptMiss>;
}

export interface SentCall {
  call: Call;
  reply: string | null;
}

export interface SettingsInfo {
  settings: Record<string, any>;
  fixed: Record<string, string>;
}

export interface StatusChange {
  status: string;
  at: number;
}

export interface Task {
  id: string;
  account: string;
  number: number;
  operation: string;
  title: string;
  external_task_id: string | null;
  status: string;
  failure: string | null;
  polls: number;
  poll_times: Array<number>;
  created: number;
  units: number;
  request: CreateRequest;
  history: Array<StatusChange>;
  faults: Array<TaskFault>;
  images: Array<string>;
  planned: Array<PlannedChange>;
  next_change: number | null;
  callbacks: TaskCallbacks | null;
}

export interface TaskAttempt {
  id: string;
  status: string;
  attempt: AttemptInfo;
}

export interface TaskCallbacks {
  url: string;
  attempts: Array<TaskAttempt>;
  total: number;
  next: NextDelivery | null;
  refused: string | null;
}

export interface TaskEvent {
  task_id: string;
  account: string;
  status: string;
  at: number;
  failure: string | null;
  task: Task;
}

export interface TaskFault {
  kind: string;
  value: any;
  after: number;
  polls: number | null;
  seconds: number | null;
  script: number | null;
  shown: number;
}

export interface TaskPage {
  tasks: Array<Task>;
  next: string | null;
  total: number;
}
