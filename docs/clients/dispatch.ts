// Moves a load, with the types of openapi-typescript.

import createClient from "openapi-fetch";
import type { paths } from "./billor.js";

const { BILLOR_URL: baseUrl, BILLOR_KEY } = process.env;
const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${BILLOR_KEY}` } });
const licenseNumber = `TX-${crypto.randomUUID()}`;
const driver = await api.POST("/drivers", { body: { name: "Robin Reed", licenseNumber } });
const place = { origin: "Dallas, TX", destination: "Reno, NV" };
const load = await api.POST("/loads", { body: { ...place, cargoType: "Steel" } });
const body = { driverId: driver.data!.id, loadId: load.data!.id };
const assignment = await api.POST("/assignments", { body });
console.log((await api.POST("/assignments", { body })).error?.code); // driver_already_assigned
const path = { assignment_id: assignment.data!.id };
await api.PATCH("/assignments/{assignment_id}/status", { params: { path }, body: { status: "COMPLETED" } });
let cursor: string | undefined;
do {
  const page = await api.GET("/loads", { params: { query: { limit: 2, cursor } } });
  console.log(JSON.stringify(page.data));
  cursor = /cursor=([^>&]+)/.exec(page.response.headers.get("Link") ?? "")?.[1];
} while (cursor);
console.log(JSON.stringify((await api.GET("/events", { params: { query: { limit: 200 } } })).data));
