// What the API sends (openapi.json), and the parts of it that the board keeps.

export type LoadStatus = "OPEN" | "ASSIGNED" | "COMPLETED" | "CANCELLED";
export type AssignmentStatus = "ASSIGNED" | "COMPLETED" | "CANCELLED";
export type Role = "ADMIN" | "DISPATCHER" | "DRIVER";

export interface Load {
  id: number;
  origin: string;
  destination: string;
  cargoType: string;
  reference: string | null;
  pickupAt: string | null;
  deliverBy: string | null;
  status: LoadStatus;
  createdAt: string;
  updatedAt: string;
  /** If it was asked for: the one that is not cancelled. */
  assignment?: AssignmentWithDriver | null;
}

export interface Driver {
  id: number;
  name: string;
  licenseNumber: string;
  status: "ACTIVE" | "INACTIVE";
  createdAt: string;
}

export interface Assignment {
  id: number;
  driverId: number;
  loadId: number;
  status: AssignmentStatus;
  assignedAt: string;
  closedAt: string | null;
}

export interface AssignmentWithDriver extends Assignment {
  driver: Driver;
}

export interface AssignmentDetail extends Assignment {
  driver: Driver;
  load: Load;
}

export interface MyAssignment extends Assignment {
  load: Load;
}

export interface User {
  id: number;
  name: string;
  email: string;
  role: Role;
  driverId: number | null;
  active: boolean;
  lastSeenAt: string | null;
}

export interface Actor {
  id: number;
  name: string;
}

export interface Payload {
  load?: Load;
  driver?: Driver;
  before?: Record<string, unknown>;
  user?: Actor;
  assignedAt?: string;
  account?: Actor & { role: Role };
  address?: string;
}

/** An event of `GET /changes`. */
export interface Change {
  id: string;
  type: string;
  driverId: number | null;
  loadId: number | null;
  assignmentId: number | null;
  payload: Payload;
  timestamp: string;
}

/** An entry of a load's timeline. */
export interface TimelineEntry extends Change {
  user: Actor | null;
}

export interface AuditDocument {
  _id: string;
  type: string;
  timestamp: string;
  requestId: string | null;
  payload: Payload;
}

export interface ImportedRow {
  row: number;
  loadId: number | null;
  errors: Record<string, string[]> | null;
  alreadyThere: boolean;
  load?: Partial<Load>;
}

export interface ImportReport {
  created: number;
  alreadyThere: number;
  refused: number;
  rows: ImportedRow[];
  ignored: string[];
  columns: Record<string, string>;
  sheet: string | null;
}

export interface Day {
  date: string;
  created: number;
  assigned: number;
  completed: number;
  cancelled: number;
  medianSecondsToAssign: number | null;
}

export interface Stats {
  at: string;
  timeZone: string;
  loads: Record<LoadStatus, number>;
  drivers: { available: number; busy: number; inactive: number };
  today: { created: number; assigned: number; completed: number; cancelled: number };
  days: Day[];
  medianSecondsToAssign: number | null;
  medianSecondsToComplete: number | null;
}

/** The body of an error (RFC 9457). */
export interface ProblemBody {
  status: number;
  code: string;
  detail: string;
  errors?: Record<string, unknown>;
  assignmentId?: number;
  loadId?: number;
  driverId?: number;
}

export interface Answer<T> {
  status: number;
  headers: Headers;
  data: T;
}
