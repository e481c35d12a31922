import type { StoredFile } from "../api/documents";
import { language } from "../words";
import { typeNames } from "../words/types";

/** "JPEG image" for image/jpeg; the media type itself where there is no plainer word. */
export function typeName({ contentType }: Pick<StoredFile, "contentType">): string {
  const essence = (contentType.split(";")[0] ?? "").trim().toLowerCase();
  return typeNames[essence]?.[language.current] ?? essence;
}
