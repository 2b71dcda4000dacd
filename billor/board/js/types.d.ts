// What the API sends (openapi.json), and the parts of it that the board keeps.

type LoadStatus = "OPEN" | "ASSIGNED" | "COMPLETED" | "CANCELLED";
type AssignmentStatus = "PLANNED" | "ASSIGNED" | "COMPLETED" | "CANCELLED";
type Role = "ADMIN" | "DISPATCHER" | "DRIVER";

interface Load {
  id: number;
  origin: string;
  destination: string;
  cargoType: string;
  reference: string | null;
  pickupAt: string | null;
  pickupTo: string | null;
  deliverFrom: string | null;
  deliverBy: string | null;
  weightKg: number | null;
  equipment: string | null;
  status: LoadStatus;
  hasPod: boolean;
  createdAt: string;
  updatedAt: string;
  /** If it was asked for: the one that is not cancelled. */
  assignment?: AssignmentWithDriver | null;
  // Lists leave these out.
  pickupContact?: string | null;
  pickupPhone?: string | null;
  pickupPhoneShown?: string | null;
  deliveryContact?: string | null;
  deliveryPhone?: string | null;
  deliveryPhoneShown?: string | null;
  notes?: string | null;
}

interface Driver {
  id: number;
  name: string;
  licenseNumber: string;
  status: "ACTIVE" | "INACTIVE";
  createdAt: string;
  phone: string | null;
  phoneShown: string | null;
  // Events of loads leave these out.
  email?: string | null;
  notes?: string | null;
  licenseExpiresOn?: string | null;
  medicalExpiresOn?: string | null;
  notifyBy?: Channel | null;
  language?: string;
}

type Channel = "EMAIL" | "PHONE" | "PUSH";

type Paper = "license" | "medical";

type CheckInKind = "ACCEPTED" | "AT_PICKUP" | "LOADED" | "AT_DELIVERY" | "DELAYED";

interface Assignment {
  id: number;
  driverId: number;
  loadId: number;
  status: AssignmentStatus;
  assignedAt: string;
  closedAt: string | null;
  progress?: CheckInKind | null;
  progressAt?: string | null;
  expectedAt?: string | null;
  delayReason?: string | null;
}

interface AssignmentWithDriver extends Assignment {
  driver: Driver;
}

interface AssignmentDetail extends Assignment {
  driver: Driver;
  load: Load;
  /** The driver's next one. */
  next?: (MyAssignment & { left: string | null }) | null;
}

/** What speaks for and against giving a load to a driver. */
interface Candidate {
  driver: Driver;
  isFree: boolean;
  samePlace: boolean;
  sameState: boolean;
  loadsThisWeek: number;
}

interface MyAssignment extends Assignment {
  load: Load;
}

interface User {
  id: number;
  name: string;
  email: string;
  role: Role;
  driverId: number | null;
  active: boolean;
  lastSeenAt: string | null;
}

interface Actor {
  id: number;
  name: string;
}

interface CheckIn {
  id: number;
  assignmentId: number;
  kind: CheckInKind;
  happenedAt: string;
  receivedAt: string;
  reason: string | null;
  expectedAt: string | null;
  user: Actor;
}

/** A comment, as drivers see it. */
interface MyComment {
  id: string;
  text: string;
  user: Actor;
  timestamp: string;
}

/** What a driver does about a load. */
interface Step {
  kind: CheckInKind | "DELIVERED";
  reason?: string;
  expectedAt?: string;
}

interface NewComment {
  kind: "COMMENT";
  text: string;
}

type DocumentKind = "POD" | "BOL" | "RATE_CONFIRMATION" | "OTHER";

interface LoadDocument {
  id: number;
  kind: DocumentKind;
  mediaType: string;
  size: number;
  name: string;
  user: Actor;
  happenedAt: string | null;
  createdAt: string;
}

interface NewDocument {
  kind: "DOCUMENT";
  documentKind: DocumentKind;
  file: Blob;
}

/** One of them, until it is answered. `isUndone`: since it may have been sent. */
type Tap<Done = Step | NewComment | NewDocument> = Done & {
  /** Of the load that was shown. */
  assignmentId: number;
  happenedAt: string;
  /** Its Idempotency-Key. */
  key: string;
  userId: number | undefined;
  isUndone?: true;
};

interface Payload {
  load?: Load;
  driver?: Driver;
  before?: Record<string, unknown>;
  user?: Actor;
  assignment?: Assignment;
  checkIn?: CheckIn;
  apiKey?: { id: number; name: string };
  webhook?: { id: number };
  reason?: string;
  planned?: boolean;
  account?: Actor & { role: Role };
  comment?: { text: string; visibleToDriver: boolean; byDriver: boolean };
  paper?: Paper;
  expiresOn?: string;
  document?: LoadDocument;
  recipient?: string;
  channel?: Channel;
  address?: string;
}

/** An event of `GET /changes`. */
interface Change {
  id: string;
  type: string;
  driverId: number | null;
  loadId: number | null;
  assignmentId: number | null;
  payload: Payload;
  timestamp: string;
}

/** An entry of a load's timeline. */
interface TimelineEntry extends Change {
  user: Actor | null;
}

interface AuditDocument {
  _id: string;
  type: string;
  timestamp: string;
  payload: Payload;
}

interface ImportedRow {
  row: number;
  loadId: number | null;
  errors: Record<string, string[]> | null;
  alreadyThere: boolean;
  load?: Partial<Load>;
}

interface ImportReport {
  created: number;
  alreadyThere: number;
  refused: number;
  rows: ImportedRow[];
  ignored: string[];
  columns: Record<string, string>;
  sheet: string | null;
}

interface Day {
  date: string;
  created: number;
  assigned: number;
  completed: number;
  cancelled: number;
  medianSecondsToAssign: number | null;
}

interface Stats {
  at: string;
  timeZone: string;
  loads: Record<LoadStatus, number>;
  drivers: { available: number; busy: number; inactive: number };
  today: { created: number; assigned: number; completed: number; cancelled: number };
  days: Day[];
  medianSecondsToAssign: number | null;
  medianSecondsToComplete: number | null;
  medianSecondsAtPickup: number | null;
  medianSecondsAtDelivery: number | null;
  onTime: OnTime;
}

/** `share`: from 0 to 1, of so many loads. */
interface OnTime {
  share: number | null;
  of: number;
}

interface DriverStats {
  /** Mondays. */
  weeks: string[];
  drivers: Array<{ id: number; name: string; completed: number[]; onTime: OnTime }>;
}

/** The body of an error (RFC 9457). */
interface ProblemBody {
  status: number;
  code: string;
  detail: string;
  errors?: Record<string, unknown>;
  assignmentId?: number;
  loadId?: number;
  driverId?: number;
  paper?: Paper;
  expiredOn?: string;
  canPlan?: boolean;
}

interface Answer<T> {
  status: number;
  headers: Headers;
  data: T;
}

// What modules of the board tell each other.

type Children = import("preact").ComponentChildren;
type VNode = import("preact").JSX.Element;

type Place = "" | "waiting" | "road" | "drivers" | "busy" | "finished";
type Only = "" | "late" | "soon" | "unassigned" | "withoutPod";
type Sort = "" | "pickup" | "delivery" | "waiting";
type Urgency = "late" | "soon" | "";

interface Filters {
  q: string;
  show: Place;
  origin: string;
  destination: string;
  /** The first day of finished loads, such as 2031-05-04. */
  since: string;
  /** The last day. */
  until: string;
  only: Only;
  sort: Sort;
}

interface Route {
  name: "board" | "load" | "drivers" | "driver" | "people" | "stats";
  /** Of the load or driver, else 0. */
  id: number;
}

/** An action that the API has not answered yet. `isPlan`: it is about a driver's next load. */
type Pending = { isPlan?: boolean } & (
  | { kind: "assign" | "reopen"; loadId: number; driverId: number; at: string }
  | { kind: "close"; loadId: number; assignmentId: number; to: "COMPLETED" | "CANCELLED" }
  | { kind: "reassign"; loadId: number; assignmentId: number; driverId: number }
  | { kind: "status"; loadId: number; to: "OPEN" | "CANCELLED" }
);

interface Waiting {
  load: Load;
  isPending: boolean;
  /** If it is a driver's next load. */
  planned?: Assignment | undefined;
}

interface OnTheRoad extends Waiting {
  assignment: Assignment;
  driver: Driver;
}

interface Busy extends OnTheRoad {
  next?: Load | undefined;
}

interface Lists {
  waiting: Waiting[];
  road: OnTheRoad[];
  /** Drivers on the road, the first one who will be free first. */
  busy: Busy[];
  /** Free ones, by name. */
  drivers: Driver[];
  /** No driver matched the search, so all are there. */
  areAllDrivers: boolean;
  /** Of what is known. */
  version: number;
  /** Without filters. */
  total: { waiting: number; road: number; drivers: number; busy: number };
  /** The same. */
  chips: Record<Exclude<Only, "" | "withoutPod">, { waiting: number; road: number }>;
}

/** Why an action was refused. */
interface Trouble {
  detail: string;
  conflict?: { loadId: number; text: string } | null;
  /** What somebody else has done. */
  by?: TimelineEntry | null;
  /** Whose papers have expired. */
  driver?: Driver | undefined;
}

interface Toast extends Trouble {
  id: number;
  isGood: boolean;
  loadId?: number;
  /** Takes back what was done to the load. */
  undo?: (() => void) | undefined;
  /** Makes it the driver's next load instead. */
  plan?: (() => void) | undefined;
}

interface FieldProps {
  name: string;
  label: string;
  /** Of an input, or `lines`: a text of several lines. */
  type?: string;
  value?: string;
  hint?: string;
  error?: string;
  required?: boolean;
  maxLength?: number;
  min?: string | number;
  max?: string | number;
  autocomplete?: string;
  "data-autofocus"?: boolean;
  readOnly?: boolean;
  /** Of a list to choose from: values and their texts. */
  options?: Array<[string, string]>;
  /** Of what may be typed, too. */
  suggestions?: string[];
  onInput?: (event: Event) => void;
}

interface ServerEvent {
  event: string;
  data: string;
  id?: string;
}
