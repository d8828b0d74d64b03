"use strict";
// Times are shown in the reader's zone: the server reads it from this cookie.
document.cookie =
  "leasewire_zone=" +
  encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone) +
  ";path=/console;max-age=31536000;samesite=lax";
