/** As in `en`, in French. */
import type { Failure } from "../api/answer";
import { counting } from "./counting";
import { isolated } from "./direction";
import type { Words } from "./en";

const PROXY_ALONE = "Le proxy placé devant le serveur ne parvient pas à le joindre. Réessayez dans un instant.";

const failures: Record<string, string> = {
  NETWORK: "Le serveur est injoignable. Vérifiez la connexion, puis réessayez.",
  UNREADABLE: "Ce navigateur n’a pas pu le lire. Il a peut-être été déplacé, ou c’est un dossier.",
  NOT_FOUND: "Ce fichier n’existe plus.",
  INVALID_FILENAME: "Le serveur ne peut pas utiliser ce nom de fichier.",
  FILE_TOO_LARGE: "Le fichier est plus grand que ce que le serveur accepte.",
  PAYLOAD_TOO_LARGE: "La requête est plus grande que ce que le serveur accepte.",
  READ_ONLY: "Les fichiers de ce serveur ne peuvent plus être modifiés pour le moment.",
  HASH_MISMATCH: "Les octets ont changé en route. Réessayez.",
  IDEMPOTENCY_CONFLICT: "Le fichier a changé pendant l’envoi. Réessayez pour l’envoyer tel qu’il est maintenant.",
  LEASE_LOST: "L’envoi s’est interrompu trop longtemps. Réessayez.",
  REQUEST_TIMEOUT: "L’envoi a mis trop de temps à arriver. Réessayez, si possible avec une connexion plus rapide.",
  SHUTTING_DOWN: "Le serveur redémarre. Réessayez dans un instant.",
  TOO_MANY_CONNECTIONS: "Trop de connexions viennent de cette adresse. Réessayez dans un instant.",
  INSUFFICIENT_STORAGE: "Le serveur n’a plus de place. Lire et supprimer reste possible.",
  STORE_UNAVAILABLE: "L’espace de stockage du serveur ne répond pas. Réessayez dans un instant.",
  DATABASE_UNAVAILABLE: "La base de données du serveur ne répond pas. Réessayez dans un instant.",
  STORE_INTEGRITY: "Les octets conservés ne sont pas ceux attendus.",
  INTERNAL: "Un problème est survenu sur le serveur.",
  CROSS_ORIGIN:
    "Le serveur prend cette page pour celle d’un autre site. S’il y a un proxy entre les deux, il doit transmettre l’en-tête Host.",
  UNKNOWN_HOST:
    "Le serveur ne connaît pas le nom qui figure dans cette adresse. Son responsable peut l’ajouter à SATCHEL_ALLOWED_HOSTS.",
  HEADERS_TOO_LARGE: "Le navigateur joint trop de cookies. Supprimez ceux de cette adresse, puis réessayez.",
  HTTP_413:
    "Le proxy placé devant le serveur n’accepte pas de fichiers aussi grands. Son responsable peut relever cette limite (dans nginx, client_max_body_size).",
  HTTP_502: PROXY_ALONE,
  HTTP_503: PROXY_ALONE,
  HTTP_504: PROXY_ALONE,
};

export function french(locale: string): Words {
  const { integer, percent, count } = counting(locale);
  const files = (n: number) => count(n, "fichier", "fichiers");
  return {
    product: "Satchel",

    upload: "Envoyer",
    uploadMore: "Autres façons d’envoyer",
    uploadFiles: "Des fichiers…",
    uploadFolder: "Un dossier…",
    chooseFiles: "Choisir les fichiers à envoyer",
    chooseFolder: "Choisir un dossier à envoyer",
    search: "Rechercher",
    searchAmong: (n) => `Rechercher parmi ${files(n)}`,
    clearSearch: "Effacer la recherche",
    themeDark: "Passer au thème sombre",
    themeLight: "Passer au thème clair",
    live: {
      connecting: "Connexion…",
      live: "En direct",
      reconnecting: "Reconnexion…",
      offline: "Hors ligne",
    },
    readOnly: "Lecture seule",
    readOnlyText: "Ici, les fichiers peuvent être consultés et téléchargés, mais pas modifiés.",
    connectionLost: "La connexion est perdue. Ce qui change entre-temps apparaîtra à son retour.",

    kinds: "Genre",
    everyKind: "Tous",
    kind: {
      IMAGE: "Images",
      VIDEO: "Vidéos",
      AUDIO: "Audio",
      PDF: "PDF",
      TEXT: "Textes",
      ARCHIVE: "Archives",
      OTHER: "Autres",
    },
    totals: (n, logical, stored) => `${files(n)} · ${logical}, ${stored} sur le disque`,
    found: (found, n) => `${integer.format(found)} sur ${files(n)}`,

    files: "Fichiers",
    columns: { select: "Sélection", name: "Nom", size: "Taille", uploaded: "Envoyé", actions: "Actions" },
    order: "Ordre",
    orders: {
      UPLOAD_DATE_DESC: "Plus récents d’abord",
      UPLOAD_DATE_ASC: "Plus anciens d’abord",
      FILENAME_ASC: "Nom, de A à Z",
      FILENAME_DESC: "Nom, de Z à A",
      SIZE_DESC: "Plus grands d’abord",
      SIZE_ASC: "Plus petits d’abord",
    },
    row: (name, size, uploaded) => `${name}, ${size}, ${uploaded}`,
    loadingRow: "Chargement…",
    copies: (n) => count(n, "copie", "copies"),
    newAbove: (n) => count(n, "nouveau", "nouveaux"),
    download: "Télécharger",
    downloadFile: (name) => `Télécharger ${name}`,
    delete: "Supprimer",
    number: (n) => integer.format(n),
    moreActions: "Autres actions",
    actionsFor: (name) => `Autres actions\u00a0: ${name}`,
    rename: "Renommer",
    newName: (name) => `Nouveau nom de ${name}`,
    renamed: (name) => `Renommé en «\u202f${isolated(name)}\u202f»`,
    notRenamed: (name, why) => `Impossible de lui redonner le nom «\u202f${isolated(name)}\u202f». ${why}`,
    renamedGone: (name) => `«\u202f${isolated(name)}\u202f» a été supprimé pendant que vous le renommiez.`,
    slashInName: "Un nom ne peut contenir ni / ni \\.",

    selection: "Sélection",
    select: "Sélectionner",
    deselect: "Retirer de la sélection",
    selectFile: (name) => `Sélectionner ${name}`,
    selectAll: "Tout sélectionner",
    selected: (n, of) =>
      of === undefined || of <= n
        ? count(n, "sélectionné", "sélectionnés")
        : `${integer.format(n)} sur ${count(of, "sélectionné", "sélectionnés")}`,
    clearSelection: "Effacer la sélection",
    copyLinks: "Copier les liens",
    linksCopied: (n) => (n === 1 ? "Lien copié." : `${count(n, "lien copié", "liens copiés")}.`),
    downloading: (n) =>
      `Téléchargement de ${files(n)}, l’un après l’autre. Si seul le premier arrive, autorisez cette page à télécharger plusieurs fichiers\u00a0: le navigateur le demande près de l’adresse.`,

    stop: "Arrêter",

    keys: "Raccourcis clavier",
    keyDeeds: {
      move: "Aller à la liste et la parcourir",
      preview: "Ouvrir l’aperçu",
      step: "Fichier voisin, dans l’aperçu",
      select: "Sélectionner ou désélectionner",
      range: "Sélectionner une plage",
      selectAll: "Sélectionner tout ce qui est chargé",
      rename: "Renommer",
      delete: "Supprimer",
      download: "Télécharger",
      copyLink: "Copier le lien",
      undo: "Annuler ou arrêter, tant que c’est proposé",
      search: "Rechercher",
      upload: "Envoyer",
      escape: "Fermer, puis effacer la sélection",
      keys: "Afficher ces raccourcis",
    },
    keyNames: {
      ctrl: "Ctrl",
      shift: "Maj",
      home: "Début",
      end: "Fin",
      pageUp: "Page préc.",
      pageDown: "Page suiv.",
      enter: "Entrée",
      space: "Espace",
      delete: "Suppr",
      escape: "Échap",
    },
    retry: "Réessayer",
    previewLost: "L’aperçu n’a pas pu être chargé. Rechargez la page quand le serveur sera de nouveau joignable.",

    emptyTitle: "La sacoche est encore vide",
    emptyText:
      "Déposez des fichiers ou des dossiers n’importe où sur cette page, collez une capture d’écran, ou utilisez la ligne de commande.",
    noResultTitle: "Rien trouvé",
    noResult: (search, kind) => {
      const place = kind ? `dans ${kind}` : "parmi vos fichiers";
      return search
        ? `Aucun nom ne contient «\u202f${isolated(search)}\u202f» ${place}.`
        : `Il n’y a aucun fichier ${place}.`;
    },
    clearFilters: "Afficher tous les fichiers",
    listFailed: "Les fichiers n’ont pas pu être chargés",
    listOld: "Les fichiers n’ont pas pu être rechargés.",
    pageFailed: "Les fichiers suivants n’ont pas pu être chargés.",

    dropTitle: "Déposez pour envoyer",
    dropText: "Des fichiers et des dossiers entiers",
    uploads: "Envois",
    readingFolder: "Lecture du dossier…",
    uploading: (nth, all) => `Envoi ${integer.format(nth)} sur ${integer.format(all)}`,
    uploaded: (n) => count(n, "envoi terminé", "envois terminés"),
    uploadsFailed: (failed, all) => `${count(failed, "échec", "échecs")} sur ${count(all, "envoi", "envois")}`,
    uploadsCancelled: "Envois annulés",
    uploadsPaused: "En attente de la connexion",
    uploadsGoOn: "Ils reprendront d’eux-mêmes dès son retour.",
    speed: (perSecond, left) => (left ? `${perSecond}/s · encore ${left}` : `${perSecond}/s`),
    sentOf: (sent, size) => `${sent} sur ${size}`,
    upState: {
      waiting: "En attente",
      hashing: "Préparation…",
      sending: "Envoi",
      storing: "Finalisation…",
      retrying: "Nouvel essai…",
      done: "Envoyé",
      stored: "Déjà conservé",
      failed: "Échec",
      cancelled: "Annulé",
    },
    totalProgress: "Tous les envois",
    cancel: "Annuler",
    cancelFile: (name) => `Annuler ${name}`,
    cancelAll: "Tout annuler",
    retryFile: (name) => `Réessayer\u00a0: ${name}`,
    retryFailed: "Réessayer les échecs",
    clearFinished: "Effacer les terminés",
    collapse: "Réduire les envois",
    expand: "Afficher les envois",
    closeUploads: "Fermer les envois",
    unreadable: (names) =>
      names.length === 1
        ? `«\u202f${isolated(names[0])}\u202f» n’a pas pu être lu.`
        : `${count(names.length, "élément n’a", "éléments n’ont")} pas pu être lus.`,
    emptyFolder: (names) =>
      names.length === 1
        ? `Le dossier «\u202f${isolated(names[0])}\u202f» est vide.`
        : `${count(names.length, "dossier est vide", "dossiers sont vides")}.`,
    pastedName: (stamp, extension) => `Collé ${stamp}.${extension}`,

    preview: "Aperçu",
    loading: "Chargement…",
    previewTools: "Outils de l’aperçu",
    previous: "Fichier précédent",
    next: "Fichier suivant",
    place: (nth, of) => `${integer.format(nth)} sur ${integer.format(of)}`,
    previewWidth: "Largeur de l’aperçu",
    close: "Fermer",
    copyLink: "Copier le lien",
    copyHash: "Copier",
    copyHashOf: "Copier le SHA-256",
    copied: "Copié.",
    notCopied: "Ce navigateur ne laisse pas la page copier. Sélectionnez plutôt le texte.",
    noPreview: "Il n’y a pas d’aperçu pour ce genre de fichier.",
    noPreviewOfScripts: "Ce document peut exécuter un script, il n’est donc pas ouvert ici.",
    previewFailed: "Ce navigateur ne peut pas afficher le fichier.",
    noPdfViewer: "Ce navigateur n’a pas de lecteur de PDF.",
    openPdf: "Ouvrir le PDF",
    emptyFile: "Le fichier est vide.",
    textCut: (shown, size) => `Le début est affiché\u00a0: ${shown} sur ${size}.`,
    showMore: "Afficher la suite",
    wrap: "Renvoyer à la ligne",
    picture: "Image",
    zoomIn: "Agrandir",
    zoomOut: "Réduire",
    percent: (share) => percent.format(share),
    fullSize: "Afficher en taille réelle",
    fitSize: "Ajuster au volet",
    gone: "Ce fichier a été supprimé. Il ne peut plus être téléchargé.",
    notThere: "Il n’y a aucun fichier à cette adresse. Il a peut-être été supprimé.",
    fileFailed: "Le fichier n’a pas pu être chargé",
    facts: { type: "Type", size: "Taille", uploaded: "Envoyé", copies: "Copies", hash: "SHA-256" },
    exactBytes: (n) => `(${count(n, "octet", "octets")})`,
    sharedBytes: (n) =>
      n === 1 ? "Aucun autre fichier n’a ces octets" : `${integer.format(n)} fichiers partagent ces octets`,
    sameBytes: "Fichiers qui ont ces octets",

    deleted: (names) =>
      names.length === 1
        ? `«\u202f${isolated(names[0])}\u202f» supprimé`
        : count(names.length, "fichier supprimé", "fichiers supprimés"),
    undo: "Annuler",
    notDeleted: (names, why) =>
      names.length === 1
        ? `«\u202f${isolated(names[0])}\u202f» n’a pas été supprimé. ${why}`
        : `${count(names.length, "fichier n’a", "fichiers n’ont")} pas été supprimés. ${why}`,
    dismiss: "Fermer",

    justNow: "À l’instant",
    minutesAgo: (n) => `Il y a ${n} min`,
    hoursAgo: (n) => `Il y a ${n} h`,
    yesterday: "Hier",
    onDay: (day, time) => `${day}, ${time}`,
    today: "Aujourd’hui",
    bytes: (n) => count(n, "octet", "octets"),
    units: ["Ko", "Mo", "Go", "To", "Po"],
    seconds: (n) => `${n} s`,
    minutes: (n) => `${n} min`,
    hours: (n, minutes) => (minutes ? `${n} h ${minutes} min` : `${n} h`),

    failure: ({ code, message }: Failure) => {
      const refusal = "Le serveur n’a pas pu faire cela";
      const told = message ? `${refusal}. Il dit, en anglais\u00a0: «\u202f${message}\u202f»` : `${refusal}.`;
      return `${failures[code] ?? told} (${code})`;
    },
  };
}
