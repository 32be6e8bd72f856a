import { AppError } from "../errors.ts";

/** Why a master refuses a request, in a word that programs can tell apart. */
export type RefusalCode =
  | "BadRequest"
  | "TokenUnknown"
  | "TokenExpired"
  | "TokenRevoked"
  | "TokenUsedUp"
  | "TokenRole"
  | "NameTaken"
  | "AddressTaken"
  | "MachineTaken"
  | "MasterDown"
  | "NotProven"
  | "NotAMember"
  | "NodeUnknown"
  | "NotAMaster"
  | "BadCertificateRequest"
  | "NoBlockLeft"
  | "TooManyAttempts"
  | "NotReady";

const STATUS: Partial<Record<RefusalCode, number>> = {
  BadRequest: 400,
  BadCertificateRequest: 400,
  TokenUnknown: 401,
  NotProven: 403,
  NotAMember: 403,
  NodeUnknown: 403,
  NotAMaster: 403,
  TokenRole: 403,
  TooManyAttempts: 429,
  NotReady: 503,
};

/** A request that a master refuses, in words for the operator of the new host. */
export class JoinRefusal extends AppError {
  override name = "JoinRefusal";
  /** HTTP status of the answer. */
  readonly status: number;
  /** It says nothing of who asked: the same may be answered later, or by another master. */
  readonly passing: boolean;

  constructor(
    readonly code: RefusalCode,
    message: string,
    options: { hint?: string } = {},
  ) {
    super(message, options);
    this.status = STATUS[code] ?? 409;
    this.passing = code === "NotReady" || code === "TooManyAttempts";
  }
}
