SELECT category, AVG(final) AS average
FROM (SELECT MAX(B.price) AS final, A.category FROM auction A JOIN bid B ON A.id = B.auction
      WHERE B."dateTime" BETWEEN A."dateTime" AND A.expires GROUP BY A.id, A.category)
GROUP BY category
