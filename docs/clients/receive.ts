import { Webhook } from "standardwebhooks";

/** What Billor has signed; throws a WebhookVerificationError if it has not. */
export function read(headers: Record<string, string>, body: string) {
  return new Webhook(process.env.WEBHOOK_SECRET!).verify(body, headers) as { type: string };
}
