import { expect, it } from "vitest";
import { language } from "../words";
import { typeName } from "./types";

it("a type has a plain name in the reader's language, or is written as it is", () => {
  expect(typeName({ contentType: "Image/JPEG; q=1" })).toBe("JPEG image");
  expect(typeName({ contentType: "application/x-unheard-of" })).toBe("application/x-unheard-of");
  language.choose("fr");
  expect(typeName({ contentType: "image/jpeg" })).toBe("Image JPEG");
  language.choose("en");
});
