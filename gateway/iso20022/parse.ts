/**
 * pacs.008 as a stream: bytes in, a typed message or the first fault out. No DTD, no entities but XML's five, bounded
 * size, depth and count, whatever prefix the namespace has, with or without an envelope and a business application header.
 */
import { SaxesParser, type SaxesTagNS } from "saxes";
import { CREDIT_TRANSFER, type Element, OTHER, type Part } from "./elements.ts";
import { escapeXml } from "./escape.ts";
import type { CreditTransfer, GroupHeader, Transaction, Version } from "./message.ts";
import { nameOf } from "./message.ts";
import type { Finding, ReasonCode } from "./reasons.ts";
import { textStream } from "./text.ts";

/** What a file may be at most. */
export interface ParseLimits {
  readonly maxBytes: number;
  readonly maxTransactions: number;
}

const DEFAULT_LIMITS: ParseLimits = { maxBytes: 64 * 1024 * 1024, maxTransactions: 200_000 };

/** Deeper than any ISO 20022 message, supplementary data included. */
const MAX_DEPTH = 48;
/** XML kept per payment beyond its fields, in UTF-16 units: what its private content can hold at most. */
const MAX_DETAILS = 16 * 1024;
const MAX_FINDINGS = 6;
/** The parser is fed in slices, so that a fault stops it soon. */
const SLICE = 64 * 1024;

/** The outcome of parsing: a refusal keeps what was read of the group header, for the answer. */
export type Parsed =
  | { readonly kind: "parsed"; readonly transfer: CreditTransfer }
  | {
      readonly kind: "refused";
      readonly finding: Finding;
      readonly version: Version | undefined;
      readonly group: GroupHeader;
    };

/** Reads one document. */
export interface CreditTransferParser {
  /** False when the document is already refused: what follows need not be read. */
  push(chunk: Uint8Array): boolean;
  end(): Parsed;
}

/** Starts reading a document. */
export function creditTransferParser(limits: ParseLimits = DEFAULT_LIMITS): CreditTransferParser {
  const bytes = textStream();
  const reader = new Reader(limits);
  let size = 0;

  const feed = (text: string | undefined): void => {
    if (text === undefined) reader.refuse("FF01", "", `the bytes are not valid ${bytes.encoding ?? "text"}`);
    else if (text.length > 0) reader.write(text, bytes.encoding);
  };
  return {
    push(chunk) {
      size += chunk.length;
      if (size > limits.maxBytes) reader.refuse("FF01", "", `the file is larger than ${limits.maxBytes} bytes`);
      for (let at = 0; at < chunk.length && reader.open; at += SLICE) feed(bytes.push(chunk.subarray(at, at + SLICE)));
      return reader.open;
    },
    end() {
      if (reader.open) feed(bytes.end());
      return reader.finish();
    },
  };
}

/** Parses a whole document held in memory. */
export function parseCreditTransfer(document: Uint8Array, limits: ParseLimits = DEFAULT_LIMITS): Parsed {
  const parser = creditTransferParser(limits);
  parser.push(document);
  return parser.end();
}

const NAMESPACE = /^urn:iso:std:iso:20022:tech:xsd:pacs\.008\.001\.(\d\d)$/;

/** The handlers of one document. A class because the parser calls back into shared state, tag by tag. */
class Reader {
  private readonly limits: ParseLimits;
  private readonly sax = new SaxesParser({ xmlns: true, position: false });
  private readonly elements: Element[] = [];
  private readonly names: string[] = [];
  /** Per depth: the order of the last child seen there, for strict parents. */
  private readonly orders: number[] = [];
  /** Per depth: the namespace the written XML is in. */
  private readonly written: string[] = [];
  private depth = 0;
  /** Depth of `Document`; 0 outside of it. */
  private documentDepth = 0;
  private documents = 0;
  private namespace = "";
  private version: Version | undefined;
  private messageDefinition: string | undefined;
  private text = "";
  private leaf = false;
  /** Pieces of the XML of `part`, joined once: strings grown piece by piece would be trees that the collector walks. */
  private pieces: string[] = [];
  private flushedPart: Part | undefined;
  private part: Part | "group" | undefined;
  private partDepth = 0;
  private encoding: string | undefined;
  private finding: Finding | undefined;
  private readonly group: GroupHeader = emptyGroup();
  private readonly groupFindings: Finding[] = [];
  private groups = 0;
  private transaction: Transaction | undefined;
  private readonly transactions: Transaction[] = [];

  constructor(limits: ParseLimits) {
    this.limits = limits;
    const { sax } = this;
    sax.on("error", (error) => this.refuse("FF01", "", `the XML is not well-formed: ${describe(error.message)}`));
    sax.on("doctype", () => this.refuse("FF01", "", "a document type declaration is not allowed"));
    sax.on("opentag", (tag) => this.opened(tag));
    sax.on("closetag", (tag) => this.closed(tag));
    sax.on("text", (text) => this.characters(text));
    sax.on("cdata", (text) => this.characters(text));
  }

  get open(): boolean {
    return this.finding === undefined;
  }

  write(text: string, encoding: string | undefined): void {
    this.encoding = encoding;
    this.sax.write(text);
    // Read once it is there: an eighth handler would push the parser's object into V8's slow dictionary mode.
    const { xmlDecl } = this.sax;
    this.declared(xmlDecl.version, xmlDecl.encoding);
  }

  /** The first fault counts. */
  refuse(code: ReasonCode, element: string, message: string): void {
    this.finding ??= { code, element, message };
  }

  finish(): Parsed {
    if (this.open) this.sax.close();
    if (this.open && this.version === undefined) this.refuse("FF01", "", "there is no pacs.008 Document in the file");
    if (this.open && this.groups === 0) this.refuse("FF01", "GrpHdr", "the group header is missing");
    if (this.open && this.transactions.length === 0) this.refuse("FF01", "CdtTrfTxInf", "the file has no payment");
    if (this.open && this.messageDefinition !== undefined && this.messageDefinition !== nameOf(this.version!)) {
      this.refuse(
        "FF01",
        "AppHdr/MsgDefIdr",
        "the business application header names another message than the document",
      );
    }
    if (this.finding !== undefined) {
      return { kind: "refused", finding: this.finding, version: this.version, group: this.group };
    }
    const { group, transactions, groupFindings: findings } = this;
    return { kind: "parsed", transfer: { version: this.version!, group, transactions, findings } };
  }

  private declared(version: string | undefined, encoding: string | undefined): void {
    if (version !== undefined && version !== "1.0") this.refuse("FF01", "", "only XML 1.0 is understood");
    const name = encoding?.toLowerCase();
    const fits =
      name === undefined ||
      name === this.encoding ||
      (name === "utf-16" && this.encoding !== "utf-8") ||
      (name === "us-ascii" && this.encoding === "utf-8");
    if (!fits)
      this.refuse("FF01", "", "the declared encoding is not the one of the bytes; UTF-8 and UTF-16 are understood");
  }

  private characters(text: string): void {
    this.text = this.text === "" ? text : this.text + text;
  }

  private opened(tag: SaxesTagNS): void {
    if (this.finding !== undefined) return;
    // Whatever stood between the element above and this one was not that element's value.
    if (this.depth > 0) this.betweenElements();
    const depth = ++this.depth;
    if (depth > MAX_DEPTH) return this.refuse("FF01", "", `elements are nested deeper than ${MAX_DEPTH}`);
    this.names[depth] = tag.local;
    this.orders[depth] = -1;
    this.text = "";
    this.leaf = true;
    if (this.documentDepth === 0) this.outside(tag, depth);
    else if (depth === this.documentDepth + 1) this.root(tag, depth);
    else this.inside(tag, depth);
  }

  /** An element of the envelope, or the document itself. */
  private outside(tag: SaxesTagNS, depth: number): void {
    this.elements[depth] = OTHER;
    if (tag.local !== "Document") return;
    const version = Number(NAMESPACE.exec(tag.uri)?.[1] ?? 0);
    if (version < 2 || version > 13)
      return this.refuse("FF01", "Document", "the document is not a pacs.008.001 of version 02 to 13");
    if (++this.documents > 1) return this.refuse("FF01", "Document", "there is more than one document in the file");
    this.documentDepth = depth;
    this.namespace = tag.uri;
    this.version = version;
  }

  private root(tag: SaxesTagNS, depth: number): void {
    this.elements[depth] = CREDIT_TRANSFER;
    if (tag.local !== CREDIT_TRANSFER.name || tag.uri !== this.namespace) {
      this.refuse("FF01", tag.local.slice(0, 35), "the document's content is not FIToFICstmrCdtTrf");
    }
  }

  private inside(tag: SaxesTagNS, depth: number): void {
    const parent = this.elements[depth - 1]!;
    const known = tag.uri === this.namespace ? parent.children.get(tag.local) : undefined;
    const element = known ?? OTHER;
    this.elements[depth] = element;
    if (parent.strict) this.checkPlace(known, depth);
    if (element.role !== "other") this.enter(element, depth);
    if (element.part !== undefined && this.transaction !== undefined) {
      if (this.flushedPart !== element.part) this.flush(depth);
      this.part = element.part;
      this.flushedPart = element.part;
      this.partDepth = depth;
      this.transaction.seen |= element.seen;
    }
    if (this.part !== undefined) this.writeStart(tag, depth);
    if (element.currencyOf !== undefined) this.takeCurrency(tag, element.currencyOf);
  }

  private enter(element: Element, depth: number): void {
    if (element.role === "group-payment-type") {
      this.part = "group";
      this.partDepth = depth;
    } else if (element.role === "group") {
      this.groups += 1;
    } else {
      if (this.transactions.length >= this.limits.maxTransactions) {
        return this.refuse("AM18", "CdtTrfTxInf", `the file has more than ${this.limits.maxTransactions} payments`);
      }
      this.transaction = emptyTransaction();
      this.transactions.push(this.transaction);
    }
  }

  /** Under a strict parent: known, in order, and once unless it repeats. */
  private checkPlace(known: Element | undefined, depth: number): void {
    if (known === undefined) return this.find("CH17", depth, "the element is not admitted here");
    const last = this.orders[depth - 1]!;
    if (known.order < last) this.find("CH17", depth, "the element is out of order");
    else if (known.order === last && !known.repeats) this.find("CH17", depth, "the element is given more than once");
    this.orders[depth - 1] = Math.max(last, known.order);
  }

  private takeCurrency(tag: SaxesTagNS, of: "group" | "transaction"): void {
    const currency = tag.attributes["Ccy"]?.value;
    if (of === "group") this.group.totalCurrency = currency;
    else if (this.transaction !== undefined) this.transaction.currency = currency;
  }

  private closed(tag: SaxesTagNS): void {
    if (this.finding !== undefined) return;
    const depth = this.depth--;
    const element = this.elements[depth]!;
    if (this.leaf) this.take(element, depth);
    else this.betweenElements();
    if (this.part !== undefined) this.writeEnd(tag, depth);
    if (element.role === "transaction") {
      this.flush(depth);
      this.transaction = undefined;
    }
    if (depth === this.documentDepth) this.documentDepth = 0;
    else if (this.documentDepth === 0 && tag.local === "MsgDefIdr") this.messageDefinition = this.text.trim();
    this.text = "";
    this.leaf = false;
  }

  /** A leaf's text becomes its field. */
  private take(element: Element, depth: number): void {
    const { groupField, transactionField } = element;
    if (groupField !== undefined) {
      if (this.group[groupField] !== undefined) this.find("CH17", depth, "the element is given more than once");
      this.group[groupField] = this.text;
    } else if (transactionField !== undefined && this.transaction !== undefined) {
      if (this.transaction[transactionField] !== undefined)
        this.find("CH17", depth, "the element is given more than once");
      this.transaction[transactionField] = this.text;
    }
  }

  /** Text beside elements may only be white space. */
  private betweenElements(): void {
    if (this.documentDepth > 0 && this.text !== "" && !isSpace(this.text))
      this.find("CH17", this.depth, "text is not admitted between elements");
    this.text = "";
  }

  private writeStart(tag: SaxesTagNS, depth: number): void {
    const around = depth === this.partDepth ? this.namespace : this.written[depth - 1]!;
    this.written[depth] = tag.uri;
    this.pieces.push(tag.uri === around ? `<${tag.local}` : `<${tag.local} xmlns="${escapeXml(tag.uri)}"`);
    for (const name in tag.attributes) {
      const attribute = tag.attributes[name]!;
      if (attribute.prefix === "" && attribute.local !== "xmlns") {
        this.pieces.push(` ${attribute.local}="${escapeXml(attribute.value)}"`);
      }
    }
    this.pieces.push(">");
  }

  private writeEnd(tag: SaxesTagNS, depth: number): void {
    if (this.leaf) this.pieces.push(escapeXml(this.text));
    this.pieces.push("</", tag.local, ">");
    if (depth !== this.partDepth) return;
    if (this.part === "group") {
      this.group.paymentType = this.pieces.join("");
      this.pieces = [];
    }
    this.part = undefined;
  }

  /** Keeps what was written of a part; called when another part begins or the payment ends. */
  private flush(depth: number): void {
    const { flushedPart: part, transaction } = this;
    if (part === undefined || transaction === undefined) return;
    transaction[part] += this.pieces.join("");
    this.pieces = [];
    this.flushedPart = undefined;
    const size = transaction.paymentType.length + transaction.terms.length + transaction.parties.length;
    if (size > MAX_DETAILS)
      this.refuse("FF01", this.path(depth), `a payment's details are longer than ${MAX_DETAILS} characters`);
  }

  /** A fault of one payment, or of the file when it is outside of any. */
  private find(code: ReasonCode, depth: number, message: string): void {
    const findings = this.transaction?.findings ?? this.groupFindings;
    if (findings.length >= MAX_FINDINGS) return;
    findings.push({ code: this.transaction === undefined ? "FF01" : code, element: this.path(depth), message });
  }

  private path(depth: number): string {
    const steps: string[] = [];
    for (let at = this.documentDepth + 2; at <= depth && at <= this.documentDepth + 8; at++) {
      const name = (this.names[at] ?? "").slice(0, 35);
      steps.push(this.elements[at]?.role === "transaction" ? `${name}[${this.transactions.length}]` : name);
    }
    return steps.join("/");
  }
}

const SPACE = /^[ \t\r\n]*$/;

function isSpace(text: string): boolean {
  return SPACE.test(text);
}

/** Parser messages quote the document: only their beginning without quoted parts is repeated. */
function describe(message: string): string {
  return message
    .replace(/^\d+:\d+: /, "")
    .split(/[:"'`]/, 1)[0]!
    .slice(0, 60)
    .trim();
}

function emptyGroup(): GroupHeader {
  return {
    messageId: undefined,
    creationTime: undefined,
    numberOfTransactions: undefined,
    controlSum: undefined,
    totalAmount: undefined,
    totalCurrency: undefined,
    settlementDate: undefined,
    settlementMethod: undefined,
    instructingAgent: undefined,
    instructedAgent: undefined,
    paymentType: "",
  };
}

function emptyTransaction(): Transaction {
  return {
    instructionId: undefined,
    endToEndId: undefined,
    transactionId: undefined,
    uetr: undefined,
    clearingSystemReference: undefined,
    amount: undefined,
    currency: undefined,
    settlementDate: undefined,
    instructingAgent: undefined,
    instructedAgent: undefined,
    debtorName: undefined,
    debtorIban: undefined,
    debtorAgent: undefined,
    creditorAgent: undefined,
    creditorName: undefined,
    creditorIban: undefined,
    paymentType: "",
    terms: "",
    parties: "",
    seen: 0,
    findings: [],
  };
}
