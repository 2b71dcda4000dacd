// Weights as people read and type them: in pounds in the United States. The API has kilograms.

import { LOCALE } from "./words.js";

const IN_POUNDS = navigator.language.endsWith("-US");
const UNIT_KG = IN_POUNDS ? 0.45359237 : 1;
const MAX_KG = 100_000;
const FORMAT = new Intl.NumberFormat(LOCALE, {
  style: "unit",
  unit: IN_POUNDS ? "pound" : "kilogram",
  maximumFractionDigits: 0,
});

export const UNIT = IN_POUNDS ? "lb" : "kg";
export const LIMITS = { min: Math.ceil(1 / UNIT_KG), max: Math.floor(MAX_KG / UNIT_KG) };

/** @param {number} kilograms */
export const weightText = (kilograms) => FORMAT.format(kilograms / UNIT_KG);

/** @param {number | null} kilograms @returns {string} as a field has it */
export const toWeightField = (kilograms) =>
  kilograms ? String(Math.round(kilograms / UNIT_KG)) : "";

/** @param {string} value of such a field @returns {number | null} kilograms */
export const fromWeightField = (value) => (value ? Math.round(Number(value) * UNIT_KG) : null);
